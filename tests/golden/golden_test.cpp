// Reference files of the published implementations, recomputed; and files that are wrong in one place, which must not
// pass.
#include "verify/golden/golden.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/check.hpp"
#include "ops/pairs.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
const std::string root = "tests/golden";  // tests run in the repository's root

golden::Row verified(const std::string& path, const std::string& data = "") {
  return golden::run(path, tested(), data);
}

std::vector<std::string> all_files() {
  return fs::exists(root) ? golden::files_at({root}) : std::vector<std::string>{};
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, AgreesWithinItsBounds) {
  const golden::Row r = verified(GetParam());
  EXPECT_EQ(r.failure, "");
  EXPECT_GT(r.compared, 0);
  EXPECT_LE(r.worst, r.bound) << r.worst_tensor;
  EXPECT_EQ(r.compared + r.read + r.information, int(SafetensorsFile(GetParam()).names().size()))
      << "every tensor is accounted for";
  EXPECT_TRUE(fs::path(GetParam()).filename().string().starts_with(r.family)) << r.family;
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, testing::ValuesIn(all_files()), [](const auto& p) {
  std::string name = fs::path(p.param).stem().string();
  std::ranges::replace_if(
      name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

TEST(GoldenFiles, AllFamiliesAreThere) {
  std::vector<std::string> heads;
  for (const std::string& f : all_files()) heads.push_back(fs::path(f).filename().string());
  EXPECT_EQ(heads.size(), 56u);
  for (const char* family : {"01_",
                             "02_",
                             "03_",
                             "04_mlp",
                             "04_self_attention",
                             "05_",
                             "06_data",
                             "06_inference",
                             "07_bidir",
                             "07_causal",
                             "08_llm",
                             "09_lm",
                             "adamw",
                             "attn_",
                             "bf16_round",
                             "cosine_schedule",
                             "cross_entropy",
                             "delta_rule",
                             "gla",
                             "grad_clip",
                             "layernorm_nobias",
                             "lm_linear",
                             "lm_mlp",
                             "mamba_block",
                             "rmsnorm",
                             "selective_scan",
                             "swa_rope",
                             "swiglu",
                             "ttt_linear",
                             "ttt_mlp"})
    EXPECT_TRUE(std::ranges::any_of(heads, [&](const std::string& h) { return h.starts_with(family); })) << family;
}

// ---- files that are wrong in one place ------------------------------------------------------------------------------

struct File {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::map<std::string, std::string> metadata;

  explicit File(const std::string& path) {
    const SafetensorsFile file(path);
    metadata = file.metadata();
    for (const std::string& name : file.names()) tensors.emplace_back(name, file.read(name, tested().host()));
  }
  Tensor& operator[](const std::string& name) {
    for (auto& [n, t] : tensors)
      if (n == name) return t;
    fail("the test's file has no '{}'", name);
  }
  void drop(const std::string& name) {
    check(std::erase_if(tensors, [&](const auto& t) { return t.first == name; }) == 1, "the test's file has no '{}'",
          name);
  }
  void replace_in_hparams(const std::string& from, const std::string& to) {
    std::string& text = metadata["hparams"];
    const auto at = text.find(from);
    check(at != std::string::npos, "the test's file has no '{}' in its hparams", from);
    text.replace(at, from.size(), to);
  }
  std::string failure(const std::string& data = "") const {
    const TemporaryFolder folder;
    write_safetensors(folder / "changed.safetensors", tensors, metadata);
    return verified(folder / "changed.safetensors", data).failure;
  }
};

File file_of(const std::string& name) { return File(root + "/" + name + ".safetensors"); }
double largest(const Tensor& t) {
  double m = 0;
  for (double x : t.to_doubles()) m = std::max(m, std::abs(x));
  return m;
}
bool names(const std::string& failure, const std::string& what) { return failure.find(what) != std::string::npos; }

const char* const layer_files[] = {"lact/02_fast_weight_op", "lact/03_ttt_layer_muon", "lact/04_mlp",
                                   "lact/04_self_attention", "lact/07_bidir_nomuon",   "lact/07_causal_muon_mom"};

TEST(ChangedGolden, RewrittenUnchangedItPasses) {
  for (const char* name : layer_files) EXPECT_EQ(file_of(name).failure(), "") << name;
}

TEST(ChangedGolden, AnExtraTensorIsNamed) {
  for (const char* name : {"lact/01_newton_schulz", "lact/02_fast_weight_op", "lact/03_ttt_layer_nomuon", "lact/04_mlp",
                           "lact/05_lvsm_model", "lact/06_data_gso_character", "lact/06_inference_cameras",
                           "lact/07_causal_nomuon_mom", "ttt/adamw", "ttt/attn_full", "ttt/cosine_schedule",
                           "ttt/grad_clip", "ttt/ttt_linear_rem", "ttt/ttt_mlp_mamba", "ttt/lm_mlp_mamba"}) {
    File f = file_of(name);
    f.tensors.emplace_back("surprise.y2", Tensor::zeros(tested().host(), {3}));
    EXPECT_TRUE(names(f.failure("tests/data"), "surprise.y2")) << name << ": " << f.failure("tests/data");
  }
}

// Ten times the bound, added to one number.
TEST(ChangedGolden, OneWrongNumberFails) {
  const std::tuple<const char*, const char*, double> cases[] = {
      {"lact/01_newton_schulz", "wide.nvs5.y", 1e-4},
      {"lact/01_newton_schulz", "tall.llm.grad_x", 1e-3},
      {"lact/02_fast_weight_op", "full_update_apply.out", 1e-4},
      {"lact/02_fast_weight_op", "full_update_apply_nomuon.grad_lr1", 3e-5},
      {"lact/02_fast_weight_op", "causal_update_then_apply.w2_new", 1e-4},
      {"lact/03_ttt_layer_muon", "y_apply_with_state", 1e-4},
      {"lact/03_ttt_layer_muon", "state.w1", 1e-4},
      {"lact/03_ttt_layer_nomuon", "grad.w0", 3e-5},
      {"lact/04_mlp", "y", 1e-5},
      {"lact/04_self_attention", "grad_x", 3e-5},
      {"lact/06_inference_cameras", "interp.c2w", 1e-5},
      {"lact/07_bidir_muon_as_written", "grad.lr_proj.weight", 1e-3},
      {"lact/07_causal_nomuon_mom", "grad.momentum_proj.0.bias", 3e-5},
      {"ttt/adamw", "out.exp_avg_sq", 1e-5},
      {"ttt/cross_entropy", "out.nll", 1e-5},
      {"ttt/rmsnorm", "grad.weight", 3e-5},
      {"ttt/gla_strong_decay", "grad.g", 3e-5},
      {"ttt/delta_rule", "out.final_state", 1e-5},
      {"ttt/selective_scan", "grad.delta_bias", 3e-5},
      {"ttt/mamba_block", "state.ssm_final", 1e-5},
      {"ttt/ttt_linear_mamba", "out.b1_grad_accum", 1e-5},
      {"ttt/ttt_linear_full", "grad.learnable_token_idx", 3e-5},
      {"ttt/ttt_mlp_rem", "out.W2_after_full", 1e-5},
      {"ttt/ttt_mlp_short", "mid.xqw", 1e-5},
      {"ttt/lm_linear_transformer", "train.final_param_norms", 1e-5},
      {"ttt/lm_linear_mamba", "cache_after_prefill.layer0.pre_conv", 1e-5},
      {"ttt/lm_mlp_mamba", "cache_after_decode.layer0.W2_grad", 1e-5},
      {"ttt/lm_mlp_mamba", "decode.greedy_tokens", 1},
  };
  for (const auto& [file, tensor, bound] : cases) {
    File f = file_of(file);
    Tensor& t = f[tensor];
    t.data<float>()[t.count() / 2] += float(10 * bound * largest(t));
    EXPECT_EQ(f.failure(), std::string(tensor) + " is beyond its bound") << file;
  }
  File cancelling = file_of("lact/03_ttt_layer_muon");
  cancelling["grad.lr_fc.bias"].data<float>()[1] += float(10 * 1e-3 * largest(cancelling["grad.lr_fc.weight"]));
  EXPECT_EQ(cancelling.failure(), "grad.lr_fc.bias is beyond its bound");
}

TEST(ChangedGolden, PixelsAndBitsMustBeEqual) {
  File pixels = file_of("lact/06_data_gso_character");
  pixels["image_u8"].data<std::uint8_t>()[12345] ^= 1;
  EXPECT_EQ(pixels.failure("tests/data"), "image_u8 is beyond its bound");
  File bits = file_of("ttt/bf16_round");
  bits["out.bits_bf16"].data<std::int32_t>()[0] ^= 1;
  EXPECT_NE(bits.failure(), "");
}

TEST(ChangedGolden, NumbersThatAreNotFiniteFail) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (float bad : {nan, inf})
    for (const auto& [file, tensor] : {std::pair<const char*, const char*>{"lact/01_newton_schulz", "wide.x"},
                                       {"lact/02_fast_weight_op", "k"},
                                       {"lact/03_ttt_layer_muon", "param.w0"},
                                       {"lact/03_ttt_layer_muon", "y"},
                                       {"lact/04_mlp", "x"},
                                       {"lact/04_mlp", "grad_x"},
                                       {"lact/04_self_attention", "param.to_qkv.weight"},
                                       {"lact/06_inference_cameras", "interp.in_c2w"},
                                       {"lact/07_causal_muon_mom", "G"},
                                       {"ttt/adamw", "in.grads"},
                                       {"ttt/attn_causal", "in.k"},
                                       {"ttt/attn_full", "out.o"},
                                       {"ttt/cross_entropy", "in.logits"}}) {
      File f = file_of(file);
      f[tensor].data<float>()[0] = bad;
      EXPECT_TRUE(names(f.failure(), "not finite")) << file << " " << tensor << ": " << f.failure();
    }
}

TEST(ChangedGolden, AMissingTensorIsNamed) {
  for (const char* name :
       {"lact/02_fast_weight_op", "lact/03_ttt_layer_muon", "lact/04_mlp", "lact/07_causal_muon_mom", "ttt/attn_full",
        "ttt/adamw", "ttt/gla", "ttt/delta_rule", "ttt/mamba_block", "ttt/ttt_linear_mamba", "ttt/ttt_mlp_short"}) {
    const File whole = file_of(name);
    for (const auto& [tensor, values] : whole.tensors) {
      File f = whole;
      f.drop(tensor);
      if (tensor == "y_apply_with_state") continue;  // a second pass that a file need not hold
      EXPECT_TRUE(names(f.failure(), tensor)) << name << " without " << tensor << ": " << f.failure();
    }
  }
}

TEST(ChangedGolden, AGradientThatIsZeroMayBeLeftOut) {
  File f = file_of("lact/04_mlp");
  for (const char* name : {"G", "grad_x", "grad.c_fc.weight", "grad.c_proj.weight"})
    for (std::int64_t i = 0; i < f[name].count(); ++i) f[name].data<float>()[i] = 0;
  EXPECT_EQ(f.failure(), "");
  f.drop("grad.c_fc.weight");
  EXPECT_EQ(f.failure(), "");
}

TEST(ChangedGolden, NothingToCompareFails) {
  File f = file_of("lact/01_newton_schulz");
  std::erase_if(f.tensors, [](const auto& t) { return !names(t.first, "bf16"); });
  EXPECT_EQ(f.failure(), "nothing was compared");
  f.tensors.clear();
  EXPECT_EQ(f.failure(), "nothing was compared");
}

TEST(ChangedGolden, OnlyTheFamilyIsReadFromTheName) {
  for (const auto& [file, name] :
       {std::pair<const char*, const char*>{"lact/03_ttt_layer_muon", "03_ttt_layer_xyz"},
        {"lact/03_ttt_layer_nomuon", "03_ttt_layer"},
        {"lact/04_self_attention_noqknorm", "04_self_attention_17"},
        {"lact/02_fast_weight_op", "02_fast_weight_op_more"},
        {"lact/07_causal_nomuon_mom", "07_causal_muon_nomom"},
        {"lact/07_bidir_nomuon", "07_bidir_fixed"},
        {"lact/07_bidir_nomuon", "07_bidir_x_as_written"},
        {"lact/07_bidir_muon_fixed", "07_bidir_seed_3_fixed_again"},
        {"lact/07_bidir_muon_as_written", "07_bidir_as_written_2"},
        {"lact/07_bidir_muon_as_written", "07_bidir_muon"}}) {  // only repaired files depart from the published code
    File f = file_of(file);
    f.metadata["case"] = name;
    EXPECT_EQ(f.failure(), "") << name;
  }
  File other = file_of("lact/07_bidir_muon_fixed");
  other.metadata["case"] = "07_bidir_muon_as_written";
  EXPECT_NE(other.failure(), "") << "the two readings differ";
}

TEST(ChangedGolden, UnknownCasesAndFilesWithoutOne) {
  File f = file_of("lact/04_mlp");
  f.metadata["case"] = "99_mystery";
  EXPECT_TRUE(names(f.failure(), "99_mystery") && names(f.failure(), "04_mlp")) << f.failure();
  f.metadata.erase("case");
  EXPECT_TRUE(names(f.failure(), "'case'")) << f.failure();
  f.metadata = {{"case", "04_mlp"}};
  EXPECT_TRUE(names(f.failure(), "'hparams'")) << f.failure();
  for (const char* hparams : {"", "{", "[]", "3", "{\"dim\": \"wide\"}", "{\"dim\": 1e300}", "{\"dim\": null}", "{}"}) {
    f.metadata["hparams"] = hparams;
    EXPECT_NE(f.failure(), "") << hparams;
  }
}

TEST(ChangedGolden, HparamsThatDoNotFitTheTensors) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"lact/03_ttt_layer_muon", "\"head_dim\": 16", "\"head_dim\": 15"},
      {"lact/03_ttt_layer_muon", "\"head_dim\": 16", "\"head_dim\": 0"},
      {"lact/03_ttt_layer_muon", "\"head_dim\": 16", "\"head_dim\": 8"},
      {"lact/03_ttt_layer_muon", "\"dim\": 32", "\"dim\": 32000000000"},
      {"lact/03_ttt_layer_muon", "\"inter_multi\": 2", "\"inter_multi\": 1e12"},
      {"lact/03_ttt_layer_muon", "\"muon_update_steps\": 5", "\"muon_update_steps\": -5"},
      {"lact/03_ttt_layer_muon", "\"muon_update_steps\": 5", "\"muon_update_steps\": 4"},
      {"lact/03_ttt_layer_muon", "\"base_lr\": 0.01", "\"base_lr\": 0"},
      {"lact/03_ttt_layer_muon", "[[0, 40, 1, 0], [0, 60, 0, 1]]", "[[0, 40, 1, 0]]"},
      {"lact/03_ttt_layer_muon", "[[0, 40, 1, 0], [0, 60, 0, 1]]", "[]"},
      {"lact/03_ttt_layer_muon", "[[0, 40, 1, 0], [0, 60, 0, 1]]", "[[0, 40]]"},
      {"lact/03_ttt_layer_muon", "[[0, 40, 1, 0], [0, 60, 0, 1]]", "[[0, 40, 1, 0], [10, 60, 0, 1]]"},
      {"lact/03_ttt_layer_muon", "\"bias\": false", "\"bias\": true"},
      {"lact/04_self_attention", "\"causal\": false", "\"causal\": true"},
      {"lact/04_self_attention", "\"head_dim\": 8", "\"head_dim\": 16"},
      {"lact/02_fast_weight_op", "\"orders\"", "\"order\""},
      {"lact/07_causal_muon_mom", "\"window_size\": 24", "\"window_size\": 23"},
      {"lact/07_causal_muon_mom", "\"lact_chunk_size\": 24", "\"lact_chunk_size\": 0"},
      {"lact/07_causal_muon_mom", "\"attn_head_dim\": 6", "\"attn_head_dim\": 7"},
      {"lact/07_causal_muon_mom", "\"use_momentum\": true", "\"use_momentum\": false"},
      {"lact/06_data_gso_character", "\"view_indices\": [3, 17", "\"view_indices\": [3, 17000"},
      {"lact/06_data_gso_character", "\"view_indices\": [3, 17", "\"view_indices\": [-3, 17"},
      {"lact/06_data_gso_character", "\"image_size_hw\": [128, 128]", "\"image_size_hw\": [0, 128]"},
      {"lact/06_inference_cameras", "\"turntable_num_views\": 12", "\"turntable_num_views\": 0"},
      {"ttt/attn_causal", "\"causal\": true", "\"causal\": false"},
      {"ttt/selective_scan", "\"delta_softplus\": true", "\"delta_softplus\": false"},
      {"ttt/mamba_block", "\"half\": 16", "\"half\": 33"},
      {"ttt/ttt_linear_rem", "\"mini_batch\": 16", "\"mini_batch\": 8"},
      {"ttt/ttt_linear_rem", "\"type\": \"linear\"", "\"type\": \"mlp\""},
      {"ttt/ttt_linear_rem", "\"heads\": 2", "\"heads\": 4"},
      {"ttt/ttt_linear_mamba", "\"use_gate\": true", "\"use_gate\": false"},
      {"ttt/lm_linear_transformer", "\"prefill\": 27", "\"prefill\": 35"},
      {"ttt/lm_linear_mamba", "\"backbone\": \"mamba\"", "\"backbone\": \"viper\""},
      {"ttt/lm_mlp_mamba", "\"pre_conv\": true", "\"pre_conv\": false"},
      {"ttt/ttt_mlp_mamba", "\"conv_kernel\": 4", "\"conv_kernel\": 3"},
      {"ttt/ttt_mlp_full", "\"base_lr\": 0.4", "\"base_lr\": 0.5"},
      {"ttt/ttt_mlp_full", "\"rope_theta\": 10000.0", "\"rope_theta\": 1000.0"},
  };
  for (const auto& [file, from, to] : cases) {
    File f = file_of(file);
    f.replace_in_hparams(from, to);
    const std::string said = f.failure("tests/data");
    EXPECT_NE(said, "") << file << " " << to;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  }
}

TEST(ChangedGolden, TensorsOfAnotherShape) {
  for (const auto& [file, tensor] : {std::pair<const char*, const char*>{"lact/03_ttt_layer_muon", "G"},
                                     {"lact/03_ttt_layer_muon", "x"},
                                     {"lact/03_ttt_layer_muon", "param.o_norm.weight"},
                                     {"lact/02_fast_weight_op", "lr0"},
                                     {"lact/02_fast_weight_op", "w1"},
                                     {"lact/02_fast_weight_op", "full_update_apply.G"},
                                     {"lact/04_self_attention", "y"},
                                     {"lact/06_inference_cameras", "interp.in_c2w"},
                                     {"ttt/attn_full", "cot.o"},
                                     {"ttt/gla", "in.g"},
                                     {"ttt/delta_rule", "in.beta"},
                                     {"ttt/selective_scan", "cot.last_state"},
                                     {"ttt/mamba_block", "param.conv1d.weight"},
                                     {"ttt/adamw", "in.grads"}}) {
    File f = file_of(file);
    Tensor& t = f[tensor];
    t = Tensor::of(tested().host(), {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
    EXPECT_NE(f.failure(), "") << file << " " << tensor;
  }
}

TEST(ChangedGolden, AFileThatIsNoSafetensors) {
  const TemporaryFolder folder;
  const std::string path = folder.write("broken.safetensors", "not a header");
  EXPECT_TRUE(names(verified(path).failure, path)) << verified(path).failure;
  EXPECT_TRUE(names(verified(folder / "absent.safetensors").failure, "absent")) << "one row, and the others go on";
}

// ---- the pictures of 06_data ----------------------------------------------------------------------------------------

TEST(GoldenPictures, AreFoundBesideTheGoldenFolderOrWhereTold) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "somewhere/golden/lact");
  const std::string source = root + "/lact/06_data_gso_character.safetensors",
                    copy = folder / "somewhere/golden/lact/06.safetensors";
  fs::copy(source, copy);
  const std::string alone = verified(copy).failure;
  EXPECT_EQ(alone, "no pictures at " + folder / "somewhere/data/gso_character");
  EXPECT_EQ(verified(copy, "tests/data").failure, "");
  EXPECT_EQ(verified(copy, "tests/data/gso_character").failure, "") << "the scene's own folder";
  EXPECT_EQ(verified(copy, folder / "nothing").failure, "no pictures at " + folder / "nothing/gso_character");
  fs::create_directories(folder / "somewhere/data");
  fs::copy("tests/data/gso_character", folder / "somewhere/data/gso_character", fs::copy_options::recursive);
  EXPECT_EQ(verified(copy).failure, "");
}

TEST(GoldenPictures, ARelativePathFindsThemFromAnyFolder) {
  const fs::path before = fs::current_path();
  for (const auto& [from, path] :
       {std::pair<const char*, const char*>{".", "tests/golden/lact/06_data_gso_character.safetensors"},
        {".", "./tests/../tests/golden/lact/06_data_gso_character.safetensors"},
        {"tests", "golden/lact/06_data_gso_character.safetensors"},
        {"tests/golden", "lact/06_data_gso_character.safetensors"},
        {"tests/golden/lact", "06_data_gso_character.safetensors"},
        {"tests/golden/ttt", "../lact/06_data_gso_character.safetensors"}}) {
    fs::current_path(before / from);
    const std::string failure = verified(path).failure;
    fs::current_path(before);
    EXPECT_EQ(failure, "") << from << ": " << path;
  }
}

TEST(GoldenFiles, FoldersAndFilesAreListedSorted) {
  const auto files = golden::files_at({root + "/ttt", root + "/lact/04_mlp.safetensors"});
  EXPECT_EQ(files.size(), 30u);
  EXPECT_TRUE(std::ranges::is_sorted(files.begin(), files.end() - 1));
  EXPECT_TRUE(files.back().ends_with("04_mlp.safetensors"));
  EXPECT_NE(sentence_of([] { golden::files_at({"tests/nowhere"}); }).find("tests/nowhere"), std::string::npos);
  EXPECT_NE(sentence_of([] { golden::files_at({"tests/data"}); }).find("no .safetensors file"), std::string::npos);
}

TEST(GoldenPlan, OpsAreEvents) {
  auto text = [](const char* ops) { return text_of(golden::plan_of(Json::parse(ops, "ops"))); };
  EXPECT_EQ(text("[[0, 40, 1, 0], [0, 60, 0, 1]]"), "U[0,40) A[0,60)");
  EXPECT_EQ(text("[[5, 9, true, true], [3, 4, false, false], [0, 1, 0, 1]]"), "U[5,9) A[5,9) A[0,1)");
  EXPECT_EQ(text("[]"), "");
  EXPECT_THROW(text("[[0, 40]]"), Error);
  EXPECT_THROW(text("{\"a\": 1}"), Error);
}

}  // namespace
}  // namespace lact
