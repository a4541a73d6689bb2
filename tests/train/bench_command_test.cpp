// `lact bench` as a user starts it, at sizes that take no time: what it says, and that the error column judges.
#include <gtest/gtest.h>

#include "files/json.hpp"
#include "files/whole_file.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

Json said(std::vector<std::string> words, const std::string& what) {
  words.insert(words.begin(), {"bench", what, "--json", "compute.device=" + tested_device()});
  const Outcome o = run_lact(words);
  EXPECT_EQ(o.status, 0) << o.err << o.out;
  return Json::parse(o.out, "stdout");
}

TEST(Bench, FastWeightsInFp32AreThoseOfF64) {
  for (const std::string chunk : {"0", "32", "200"}) {
    const Json r = said({"precision=fp32", "head_dim=24", "inter_multi=1.5", "heads=2", "tokens=77", "chunk=" + chunk,
                         "runs=1", "product=64"},
                        "fast_weights");
    EXPECT_EQ(r["hidden"].integer(), 36);
    EXPECT_LT(r["error"].number(), r["error_bound"].number());
    EXPECT_GT(r["seconds"].number(), 0);
    EXPECT_NEAR(r["utilisation"].number() * r["product_flops_per_second"].number() * r["seconds"].number(),
                r["flops"].number(), 1e-6 * r["flops"].number());
  }
}

TEST(Bench, FlopsOfFastWeightsCountEveryToken) {
  auto flops = [](const std::string& chunk) {
    return said({"precision=fp32", "head_dim=16", "tokens=64", "chunk=" + chunk, "runs=1", "product=64"},
                "fast_weights")["flops"]
        .number();
  };
  EXPECT_EQ(flops("0"), 3.0 * (12 + 6) * 64 * 16 * 32);
  EXPECT_EQ(flops("16"), 3.0 * (12 * 48 + 6 * 64) * 16 * 32) << "the last chunk is only applied";
}

TEST(Bench, NewtonSchulzInFp32IsThatOfF64) {
  for (const auto& [m, n] : {std::pair("m=20", "n=36"), std::pair("m=36", "n=20")}) {
    const Json r = said({"precision=fp32", m, n, "batch=2", "runs=1"}, "newton_schulz");
    EXPECT_LT(r["error"].number(), 1e-4);
    EXPECT_GT(r["forward_seconds"].number(), 0);
    EXPECT_GT(r["backward_seconds"].number(), 0);
  }
}

TEST(Bench, AttentionIsThatOfF64AndSaysWhoComputesIt) {
  for (const std::string mask : {"causal=false", "causal=true"}) {
    const Json r = said({"precision=fp32", "items=2", "heads=2", "head_dim=24", "tokens=40", "keys=56", "runs=1", mask},
                        "attention");
    EXPECT_LT(r["error"].number(), r["error_bound"].number());
    EXPECT_EQ(r["forward_by"].text(), "own kernel") << "fp32 never goes through a library";
    const double pairs = 4.0 * (mask == "causal=true" ? 40 * 41 / 2 : 40 * 56);
    EXPECT_NEAR(r["forward_flops_per_second"].number() * r["forward_seconds"].number(), 4 * pairs * 24, 1e-3);
    EXPECT_GT(r["backward_seconds"].number(), 0);
  }
}

TEST(Bench, BothFormsOfMiniBatchesAreThoseOfF64) {
  for (const std::string type : {"linear", "mlp"}) {
    const Json r = said({"dim=16", "num_attention_heads=2", "tokens=21", "batch=2", "mini_batch_size=4", "runs=1",
                         "share_qk=true", "use_gate=true", "ttt_layer_type=" + type},
                        "ttt");
    ASSERT_EQ(r["rows"].size(), 2);
    for (const Json& form : r["rows"].items()) {
      EXPECT_LT(form["error"].number(), r["error_bound"].number()) << form["form"].text();
      EXPECT_GT(form["seconds"].number(), form["forward_seconds"].number()) << form["form"].text();
    }
    EXPECT_LT(r["apart"].number(), r["error_bound"].number());
    EXPECT_GT(r["times_faster"].number(), 0);
  }
}

TEST(Bench, DecodingHasTheLogitsOfTheWholeSequence) {
  const Json r = said({"configs/language/tiny.yaml", "model.hidden_size=16", "model.intermediate_size=16", "judged=40",
                       "model.lact_chunk_size=16", "model.window_size=16", "positions=20,40", "tokens=3"},
                      "decode");
  EXPECT_LT(r["error"].number(), r["error_bound"].number());
  ASSERT_EQ(r["rows"].size(), 2);
  for (const Json& row : r["rows"].items()) {
    EXPECT_GE(row["median_seconds"].number(), row["least_seconds"].number());
    EXPECT_GT(row["least_seconds"].number(), 0);
  }
  EXPECT_GT(r["rows"].at(0)["state_bytes"].integer(), 0);
}

TEST(Bench, CopiesAndProductsAreRight) {
  const Json copied = said({"least=4", "most=4000", "times=1000"}, "copy"), products = said({"tokens=8"}, "gemm");
  EXPECT_EQ(copied["rows"].size(), 6);
  for (const Json& r : copied["rows"].items()) EXPECT_EQ(r["wrong"].integer(), 0) << r["what"].text();
  for (const Json& r : products["rows"].items()) EXPECT_LT(r["error"].number(), 1e-5);
}

TEST(Bench, ATrainStepSaysWhereItsTimeGoes) {
  TemporaryFolder folder;
  write_whole(folder / "tiny.yaml", tiny_config());
  const Json r = said({folder / "tiny.yaml", "steps=1", "product=64"}, "train");
  const double parts = r["forward_seconds"].number() + r["backward_seconds"].number() + r["optimizer_seconds"].number();
  EXPECT_GT(parts, 0);
  EXPECT_GT(r["tokens_per_second"].number(), 0);
  EXPECT_EQ(r["graph"].boolean(), tested_device() == "cuda");
  EXPECT_FALSE(
      said({folder / "tiny.yaml", "steps=1", "product=64", "compute.graphs=false"}, "train")["graph"].boolean());
}

TEST(Bench, UnknownKeysAndSizesThatAreNoneAreNamed) {
  for (const auto& [words, named] :
       {std::pair<std::vector<std::string>, std::string>({"bench", "fast_weights", "head_dims=8"}, "head_dim"),
        {{"bench", "fast_weights", "tokens=0"}, "tokens=0"},
        {{"bench", "newton_schulz", "steps=-1"}, "steps=-1"},
        {{"bench", "attention", "compute.cudnn=some"}, "cudnn=some"},
        {{"bench", "attention", "tokens=0"}, "tokens=0"},
        {{"bench", "copy", "most=1"}, "most=1"},
        {{"bench", "gemm", "precision=fp8"}, "precision=fp8"}}) {
    const Outcome o = run_lact(words);
    EXPECT_EQ(o.status, 1);
    EXPECT_NE(o.err.find(named), std::string::npos) << o.err;
  }
}

}  // namespace
}  // namespace lact
