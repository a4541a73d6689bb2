// LaCTLVSM: published sizes, two ways to the same images, batches, initialisation, recomputation, impossible values.
#include "models/view_synthesis/model.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "layers/embedding.hpp"
#include "ops/pairs.hpp"
#include "parallel/simulated/paper_ranks.hpp"
#include "support/temporary_folder.hpp"
#include "support/views_of.hpp"
#include "train/config.hpp"

namespace lact {
namespace {

struct Published {
  const char* name;
  std::int64_t layers, inter_multi, parameters;
};
// The table of configurations that the authors published with their weights.
const Published published[] = {{"lact_l14_d768_ttt2x", 14, 2, 182481706},
                               {"lact_l24_d768_ttt2x", 24, 2, 312298056},
                               {"lact_l24_d768_ttt4x", 24, 4, 397232712}};

std::string as_yaml(const Published& p) {
  return sentence(
      "patch_size: 8\ndim: 768\nlayers: {}\nblock_config:\n"
      "  - type: model.SelfAttention\n    length_dim: l\n    params:\n      head_dim: 64\n      use_qk_norm: true\n"
      "  - type: lact_ttt.FastWeightGluMLPMultihead\n    length_dim: vl\n    params:\n      head_dim: 768\n      "
      "inter_multi: {}\n"
      "      base_lr: 0.01\n      muon_update_steps: 5\n"
      "  - type: model.MLP\n    length_dim: vl\n    params:\n      inter_multi: 4\n",
      p.layers, p.inter_multi);
}
std::string as_json(const Published& p) {
  return "{\"patch_size\": 8, \"dim\": 768, \"layers\": " + std::to_string(p.layers) +
         ", \"block_config\": [{\"type\": \"model.SelfAttention\", \"length_dim\": \"l\", \"params\": {\"head_dim\": "
         "64, \"use_qk_norm\": true}}, "
         "{\"type\": \"lact_ttt.FastWeightGluMLPMultihead\", \"length_dim\": \"vl\", \"params\": {\"head_dim\": 768, "
         "\"inter_multi\": " +
         std::to_string(p.inter_multi) +
         ", \"base_lr\": 0.01, \"muon_update_steps\": 5}}, {\"type\": \"model.MLP\", \"length_dim\": \"vl\", "
         "\"params\": {\"inter_multi\": 4}}]}";
}

TEST(Published, ModelFilesLoadUnchangedAndCountAsListed) {
  const TemporaryFolder folder;
  for (const Published& p : published)
    for (bool json : {false, true}) {
      const std::string path =
          folder.write(std::string(p.name) + (json ? ".json" : ".yaml"), json ? as_json(p) : as_yaml(p));
      const RunConfig config = RunConfig::from_overrides({"model.file=" + path});
      ParameterStore store;
      const ViewSynthesis model(store, views_of(config).model);  // counts without allocating
      EXPECT_EQ(store.count(), p.parameters) << path;
      EXPECT_EQ(model.blocks(), p.layers);
      EXPECT_EQ(model.config().block_config.size(), 3u);
    }
}

TEST(Published, KeysOnTheCommandLineWinOverTheFile) {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.yaml", as_yaml(published[0]));
  const RunConfig config =
      RunConfig::from_overrides({"model.layers=2", "model.file=" + path, "model.block_config.1.params.head_dim=96"});
  EXPECT_EQ(views_of(config).model.layers, 2);
  EXPECT_EQ(views_of(config).model.block_config[1].params.head_dim, 96);
  EXPECT_EQ(views_of(config).model.dim, 768);
}

TEST(Published, MissingKeysHaveTheAuthorsDefaults) {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.yaml",
                                        "patch_size: 8\ndim: 64\nlayers: 1\nblock_config:\n"
                                        "  - {type: model.SelfAttention, params: {head_dim: 64}}\n"
                                        "  - {type: lact_ttt.FastWeightGluMLPMultihead, params: {head_dim: 32}}\n"
                                        "  - {type: model.MLP, params: {}}\n");
  const auto blocks = views_of(RunConfig::from_overrides({"model.file=" + path})).model.block_config;
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0].length_dim, "vl");
  EXPECT_TRUE(blocks[0].params.use_qk_norm);
  EXPECT_FALSE(blocks[0].params.causal);
  EXPECT_EQ(blocks[1].params.muon_update_steps, 0);
  EXPECT_EQ(blocks[1].params.base_lr, 0.01);
  ParameterStore store;
  const ViewSynthesis model(store, views_of(RunConfig::from_overrides({"model.file=" + path})).model);
  EXPECT_EQ(store.find("blocks.0.module_list.1.f.w0")->shape, (Shape{2, 32, 32})) << "inter_multi 1";
  EXPECT_EQ(store.find("blocks.0.module_list.2.f.c_fc.weight")->shape, (Shape{256, 64})) << "inter_multi 4";
  EXPECT_EQ(store.find("blocks.0.module_list.1.f.lr_fc.bias")->shape, (Shape{6})) << "the only bias";
  EXPECT_EQ(store.find("blocks.0.module_list.0.f.to_qkv.bias"), nullptr);
}

std::vector<BlockConfig> blocks(std::int64_t steps) {
  auto b = ViewSynthesisConfig::default_blocks();
  b[0].params.head_dim = 8, b[1].params.head_dim = 12, b[1].params.inter_multi = 1.5,
  b[1].params.muon_update_steps = steps;
  b[2].params.inter_multi = 2;
  return b;
}

Tensor numbers(const Shape& s, const char* name, bool in_unit = false) {
  std::vector<double> v = random_tensor(s, name).to_doubles();
  for (double& e : v)
    if (in_unit) e = 0.5 + 0.5 * std::tanh(e);
  return Tensor::of(tested(), s, std::span<const double>(v));
}

ViewBatch views(std::int64_t items, std::int64_t inputs, std::int64_t targets, std::int64_t h, std::int64_t w) {
  ViewBatch b;
  const std::int64_t v = inputs + targets;
  b.images = numbers({items, v, 3, h, w}, "images", true);
  b.poses = numbers({items, v, 4, 4}, "poses");
  b.intrinsics = numbers({items, v, 4}, "intrinsics");
  rewrite(b.intrinsics, [h, w](std::int64_t i, double k) {  // fx fy cx cy
    return i % 4 < 2 ? double(w) * (1 + 0.1 * k) : 0.5 * double(i % 4 == 2 ? w : h) + k;
  });
  b.input_views = inputs, b.target_views = targets;
  b.valid = double(items * targets * 3 * h * w);
  return b;
}

Tensor copied(const Tensor& x) {
  Tensor y = like(x);
  kernels::unary(kernels::Unary::copy, y, x);
  return y;
}

struct Fixture {
  ParameterStore store;
  Mesh mesh = Mesh::alone();
  ViewSynthesis model;
  explicit Fixture(std::int64_t steps, std::int64_t layers = 2)
      : model(store, {.patch_size = 4, .dim = 24, .layers = layers, .block_config = blocks(steps)}) {
    store.lay_out(tested(), mesh, 3);
    for (const Parameter& p : store.parameters()) {  // the published start is nearly linear; this is not
      const double factor = p.name.find("weight") != std::string::npos && p.shape.size() == 2 ? 6 : 1;
      rewrite(store.value(p), [factor](std::int64_t, double v) { return factor * v; });
    }
  }
  Ctx on(Tape* t) { return {t, tested(), mesh}; }
};

// The same sums in other shapes: f32 roundings, which Newton-Schulz amplifies by up to 3.44^5 = 485 in small singular
// directions.
double bound(std::int64_t steps) { return steps > 0 ? 485 * 8 * eps32 : 64 * eps32; }

TEST(ViewSynthesis, ReconstructAndRenderGiveTheImagesOfOnePass) {
  for (std::int64_t steps : {0, 5}) {
    Fixture f(steps);
    const ViewBatch b = views(2, 3, 2, 8, 12);
    Ctx c = f.on(nullptr);
    const Tensor whole = f.model.predict(c, b).value();
    EXPECT_EQ(whole.shape(), (Shape{2, 2, 3, 8, 12}));
    ViewBatch inputs;
    inputs.images = copied(b.images.cut(1, {0, 3})), inputs.intrinsics = copied(b.intrinsics.cut(1, {0, 3})),
    inputs.poses = copied(b.poses.cut(1, {0, 3}));
    inputs.input_views = 3;
    const auto states = f.model.reconstruct(c, inputs);
    ASSERT_EQ(states.size(), 2u);
    EXPECT_EQ(states[0].size(), 1u);
    EXPECT_EQ(states[0][0].w0.shape(), (Shape{4, 12, 18}));
    const Tensor both =
        f.model.render(c, states, copied(b.intrinsics.cut(1, {3, 5})), copied(b.poses.cut(1, {3, 5})), 8, 12).value();
    EXPECT_LE(difference(both, whole), bound(steps));
    for (std::int64_t v = 0; v < 2; ++v) {
      const Tensor one = f.model
                             .render(c, states, copied(b.intrinsics.cut(1, {3 + v, 4 + v})),
                                     copied(b.poses.cut(1, {3 + v, 4 + v})), 8, 12)
                             .value();
      EXPECT_LE(difference(one, copied(whole.cut(1, {v, v + 1}))), bound(steps)) << "view " << v;
    }
  }
}

TEST(ViewSynthesis, ABatchOfTwoIsTwoBatchesOfOne) {
  for (std::int64_t steps : {0, 5}) {
    Fixture f(steps);
    Ctx c = f.on(nullptr);
    const ViewBatch b = views(2, 2, 1, 8, 8);
    const Tensor both = f.model.predict(c, b).value();
    double loss = 0;
    for (std::int64_t i = 0; i < 2; ++i) {
      ViewBatch one = b;
      one.images = copied(b.images.cut(0, {i, i + 1})), one.intrinsics = copied(b.intrinsics.cut(0, {i, i + 1})),
      one.poses = copied(b.poses.cut(0, {i, i + 1}));
      EXPECT_LE(difference(f.model.predict(c, one).value(), copied(both.cut(0, {i, i + 1}))), bound(steps));
      loss += loss_of(f.model, c, one, false).value().item();  // `valid` is the count of the whole batch
    }
    EXPECT_NEAR(loss_of(f.model, c, b, false).value().item(), loss, bound(steps) * loss);
  }
}

TEST(ViewSynthesis, TheLossIsTheMeanSquareOfTheTargets) {
  Fixture f(5);
  Ctx c = f.on(nullptr);
  const ViewBatch b = views(1, 2, 2, 8, 8);
  const auto got = f.model.predict(c, b).value().to_doubles(), want = b.images.cut(1, {2, 4}).to_doubles();
  double sum = 0;
  for (std::size_t i = 0; i < got.size(); ++i) sum += (got[i] - want[i]) * (got[i] - want[i]);
  EXPECT_NEAR(loss_of(f.model, c, b, false).value().item(), sum / double(got.size()), 1e-5 * sum / double(got.size()));
  EXPECT_EQ(f.model.tokens(b), 4 * 4);
}

TEST(ViewSynthesis, TargetPicturesAreNotSeen) {
  Fixture f(5);
  Ctx c = f.on(nullptr);
  ViewBatch b = views(1, 2, 2, 8, 8);
  const Tensor before = f.model.predict(c, b).value();
  Tensor changed = copied(b.images);
  kernels::fill(changed.cut(1, {2, 4}), 0.25);
  b.images = changed;
  EXPECT_TRUE(same_bits(f.model.predict(c, b).value(), before));
  kernels::fill(changed.cut(1, {0, 1}), 0.25);
  EXPECT_GT(difference(f.model.predict(c, b).value(), before), 1e-3) << "input pictures are";
}

TEST(ViewSynthesis, ARankLooksAtTheViewsOfItsTokens) {
  Fixture f(5);
  auto seen = [&](const Grid& g, int rank) {
    return f.model.views_seen(mesh_on_paper(g, rank, [](Axes) { return PaperLink{}; }), 4, 2, 8, 8);
  };
  using Seen = std::vector<bool>;
  const Grid whole, cp{{1, 1, 2, 1}}, pp{{2, 1, 1, 1}};
  EXPECT_EQ(seen(whole, 0), Seen(6, true));
  EXPECT_EQ(seen(cp, 0), (Seen{true, true, false, false, true, false}));
  EXPECT_EQ(seen(cp, 1), (Seen{false, false, true, true, false, true}));
  f.model.cut_into({{0, 1}, {1, f.model.blocks()}});
  EXPECT_EQ(seen(pp, 0), Seen(6, true)) << "targets by their rays";
  EXPECT_EQ(seen(pp, 1), (Seen{false, false, false, false, true, true}));
}

TEST(ViewSynthesis, RecomputationChangesNoBit) {
  Fixture f(5);
  const ViewBatch b = views(2, 2, 1, 8, 8);
  auto gradient = [&](bool recompute, std::size_t& nodes, double& loss) {
    f.store.zero_gradients();
    Tape tape;
    Ctx c = f.on(&tape);
    const Var y = loss_of(f.model, c, b, recompute);
    nodes = tape.size();
    loss = y.value().item();
    tape.backward(y, ones_like(y));
    return f.store.buckets()[0].gradient.to_doubles();
  };
  std::size_t plain_nodes = 0, nodes = 0;
  double plain_loss = 0, loss = 0;
  const auto plain = gradient(false, plain_nodes, plain_loss), again = gradient(true, nodes, loss);
  EXPECT_EQ(plain, again);
  EXPECT_EQ(plain_loss, loss);
  EXPECT_GT(largest(plain), 0);
  EXPECT_LT(nodes, plain_nodes / 4);
  for (const Parameter& p : f.store.parameters()) EXPECT_GT(largest(f.store.gradient(p).to_doubles()), 0) << p.name;
}

TEST(ViewSynthesis, InitialisationAsPublished) {
  ParameterStore store;
  Mesh mesh = Mesh::alone();
  auto list = ViewSynthesisConfig::default_blocks();
  list[1].params.head_dim = 32;
  const std::int64_t layers = 3;
  const ViewSynthesis model(store, {.patch_size = 8, .dim = 64, .layers = layers, .block_config = list});
  store.lay_out(tested(), mesh, 0);
  int seen = 0;
  for (const Parameter& p : store.parameters()) {
    const auto v = store.value(p).to_doubles();
    const double n = double(v.size());
    double mean = 0, squares = 0;
    for (double x : v) mean += x / n, squares += x * x / n;
    double want = 0.02;
    if (p.name.ends_with("c_proj.weight"))
      want = 0.02 / std::sqrt(3.0 * layers);
    else if (p.name.ends_with(".w0") || p.name.ends_with(".w2"))
      want = std::sqrt(2.0 / 32);
    else if (p.name.ends_with(".w1"))
      want = std::sqrt(2.0 / 64);
    else if (p.shape.size() == 1) {
      const double value = p.name.ends_with("bias") ? 0 : 1;  // norms are 1
      EXPECT_TRUE(std::ranges::all_of(v, [&](double x) { return x == value; })) << p.name;
      continue;
    }
    ++seen;
    // five standard errors of a mean and of a mean square of n normal numbers
    EXPECT_NEAR(mean, 0, 5 * want / std::sqrt(n)) << p.name;
    EXPECT_NEAR(squares, want * want, 5 * want * want * std::sqrt(2 / n)) << p.name;
  }
  EXPECT_EQ(seen, 2 + layers * 10);
}

TEST(ViewSynthesis, FlopsGrowWithWhatIsComputed) {
  Fixture f(5), deep(5, 4);
  const ViewBatch b = views(1, 2, 1, 8, 8), more = views(2, 2, 1, 8, 8);
  const Flops one = f.model.forward_flops(b), two = f.model.forward_flops(more), four = deep.model.forward_flops(b);
  EXPECT_DOUBLE_EQ(two.total(), 2 * one.total());
  EXPECT_DOUBLE_EQ(four.update, 2 * one.update);
  EXPECT_DOUBLE_EQ(four.newton_schulz, 2 * one.newton_schulz);
  // by hand: 8 input tokens, two heads of 12 x 18, twelve per number of a matrix and token
  EXPECT_DOUBLE_EQ(one.update, 2 * 12.0 * 8 * 2 * 12 * 18);
  EXPECT_DOUBLE_EQ(one.apply, 2 * 6.0 * 12 * 2 * 12 * 18);
  EXPECT_DOUBLE_EQ(one.attention, 2 * 4.0 * 12 * 4 * 24);
}

// ---- rays and patches -----------------------------------------------------------------------------------------------

TEST(Embedding, RaysOfASimpleCamera) {
  const std::vector<float> k{2, 4, 1.5, 1}, pose{1, 0, 0, 10, 0, 1, 0, 20, 0, 0, 1, 30, 0, 0, 0, 1};
  const Tensor r = rays(Tensor::of(tested(), {1, 1, 4}, std::span<const float>(k)),
                        Tensor::of(tested(), {1, 1, 4, 4}, std::span<const float>(pose)), 2, 3);
  ASSERT_EQ(r.shape(), (Shape{1, 1, 9, 2, 3}));
  const auto numbers_of_r = r.to_doubles();
  auto at = [&](std::int64_t channel, std::int64_t row, std::int64_t column) {
    return numbers_of_r[std::size_t(channel * 6 + row * 3 + column)];
  };
  for (std::int64_t row = 0; row < 2; ++row)
    for (std::int64_t column = 0; column < 3; ++column) {
      const double x = (double(column) + 0.5 - 1.5) / 2, y = (double(row) + 0.5 - 1) / 4,
                   n = std::sqrt(x * x + y * y + 1);
      const double o[] = {10, 20, 30}, d[] = {x / n, y / n, 1 / n};
      for (std::int64_t i = 0; i < 3; ++i) {
        EXPECT_EQ(at(i, row, column), o[i]);
        EXPECT_NEAR(at(3 + i, row, column), d[i], eps32);
        const std::int64_t p = (i + 1) % 3, q = (i + 2) % 3;
        EXPECT_NEAR(at(6 + i, row, column), o[p] * d[q] - o[q] * d[p], 40 * eps32);
      }
    }
}

TEST(Embedding, PatchesGoThereAndBack) {
  const ViewBatch b = views(2, 3, 1, 6, 4);
  const std::int64_t p = 2;
  const Tensor tokens = view_tokens(b.intrinsics, b.poses, copied(b.images.cut(1, {0, 3})), 6, 4, p);
  ASSERT_EQ(tokens.shape(), (Shape{2, 4 * 6, 12 * 4}));
  // the colours of each token, in the decoder's order of features
  Tensor colours = Tensor::empty(tested(), {2, 24, 12});
  kernels::unary(kernels::Unary::copy, colours.view({2, 24, 4, 3}), tokens.view({2, 24, 4, 12}).cut(3, {9, 12}));
  const auto back = unpatched(colours, 4, 6, 4, p).value().to_doubles(), want = b.images.to_doubles();
  const std::size_t view = 3 * 6 * 4;
  for (std::size_t i = 0; i < back.size(); ++i) {
    const bool target = i / view % 4 == 3;
    EXPECT_NEAR(back[i], target ? 0 : 2 * want[i] - 1, 2 * eps32) << i;
  }
  EXPECT_THROW(view_tokens(b.intrinsics, b.poses, {}, 6, 4, 4), Error);
}

// ---- impossible values ----------------------------------------------------------------------------------------------

TEST(ViewSynthesisConfig, ImpossibleValuesAreOneSentenceThatNamesThem) {
  const std::pair<std::vector<std::string>, std::vector<std::string>> cases[] = {
      {{"model.dim=100"}, {"model.dim=100", "head_dim=64"}},
      {{"model.block_config.1.params.head_dim=0"}, {"head_dim=0"}},
      {{"model.block_config.0.params.head_dim=-8"}, {"head_dim=-8"}},
      {{"data.image_size=[100,128]"}, {"100 x 128", "model.patch_size=8"}},
      {{"data.image_size=[128,100]"}, {"128 x 100", "model.patch_size=8"}},
      {{"model.patch_size=0"}, {"model.patch_size=0"}},
      {{"model.layers=0"}, {"model.layers=0"}},
      {{"model.dim=-64"}, {"model.dim=-64"}},
      {{"model.layers=1000000"}, {"model.layers=1000000"}},
      {{"model.block_config.1.type=model.Mamba"}, {"model.Mamba", "model.SelfAttention"}},
      {{"model.block_config.1.length_dim=l"}, {"length_dim", "'vl'"}},
      {{"model.block_config.0.length_dim=x"}, {"length_dim", "'x'"}},
      {{"model.block_config.2.params.inter_multi=-1"}, {"inter_multi=-1"}},
      {{"model.block_config.2.params.inter_multi=0.0001"}, {"inter_multi=0.0001"}},
      {{"model.block_config.1.params.inter_multi=1e30"}, {"inter_multi=1e+30"}},
      {{"model.block_config.1.params.base_lr=0"}, {"base_lr=0"}},
      {{"model.block_config.1.params.base_lr=.nan"}, {"base_lr", "'.nan'"}},
      {{"model.block_config.1.params.muon_update_steps=-1"}, {"muon_update_steps=-1"}},
      {{"model.block_config.1.params.muon_update_steps=1000000000"}, {"muon_update_steps=1000000000"}},
      {{"model.widht=3"}, {"model.widht"}},
      {{"model.dim=wide"}, {"model.dim", "wide"}},
      {{"model.file=/nowhere/model.yaml"}, {"/nowhere/model.yaml"}},
  };
  const TemporaryFolder folder;
  const std::string path = folder.write("model.yaml", as_yaml(published[0]));
  for (const auto& [overrides, words] : cases) {
    std::vector<std::string> all{"model.file=" + path};
    all.insert(all.end(), overrides.begin(), overrides.end());
    const std::string said = sentence_of([&] { RunConfig::from_overrides(all); });
    for (const std::string& word : words) EXPECT_NE(said.find(word), std::string::npos) << overrides[0] << ": " << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  }
}

TEST(ViewSynthesisConfig, DamagedModelFilesAreNamed) {
  const TemporaryFolder folder;
  const std::pair<std::string, std::string> files[] = {
      {"dim: 64\nlayer: 3\n", "layer"},
      {"dim: [1, 2]\n", "dim"},
      {"block_config:\n  - {type: model.MLP, params: {inter_mult: 4}}\n", "inter_mult"},
      {"block_config: model.MLP\n", "block_config"},
      {"{\"dim\": 64", "model"},
      {"- 1\n- 2\n", "model"}};
  for (const auto& [text, word] : files) {
    const std::string path = folder.write("model.yaml", text),
                      said = sentence_of([&] { RunConfig::from_overrides({"model.file=" + path}); });
    EXPECT_NE(said.find(path), std::string::npos) << said;
    EXPECT_NE(said.find(word), std::string::npos) << said;
  }
}

TEST(ViewSynthesisConfig, AnUnknownSubLayerIsNotBuilt) {
  ParameterStore store;
  ViewSynthesisConfig cfg{.dim = 64, .layers = 1, .block_config = {{.type = "model.Mamba"}}};
  EXPECT_NE(sentence_of([&] { ViewSynthesis(store, cfg); }).find("model.Mamba"), std::string::npos);
}

}  // namespace
}  // namespace lact
