// Which layouts a config allows, and what an impossible one is told.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/temporary_folder.hpp"
#include "support/views_of.hpp"
#include "train/layout.hpp"

namespace lact {
namespace {

// 4 blocks of width 96: 3 attention heads, 2 fast-weight heads with 96 hidden units each, MLP 384; 6 samples in 2
// micro-batches.
RunConfig config() {
  return RunConfig::from_overrides({"model.dim=96", "model.layers=4", "model.block_config.0.params.head_dim=32",
                                    "model.block_config.1.params.head_dim=48", "train.batch_size=6",
                                    "train.accumulate=2"});
}

std::string refusal(RunConfig cfg, int ranks, std::array<int, 4> size) {
  cfg.parallel.pp = size[0], cfg.parallel.dp = size[1], cfg.parallel.cp = size[2], cfg.parallel.tp = size[3];
  return sentence_of([&] { layout_of(cfg, ranks); });
}

bool holds(const std::vector<Grid>& all, std::array<int, 4> size) {
  return std::ranges::any_of(all, [&](const Grid& g) { return g.size == size; });
}

TEST(Layout, PossibleOnesAreExactlyThoseWithoutObjection) {
  const RunConfig cfg = config();
  for (int ranks : {1, 2, 3, 4, 6, 8, 12, 24}) {
    const std::vector<Grid> all = possible_layouts(cfg, ranks);
    std::set<std::array<int, 4>> seen;
    for (const Grid& g : all) {
      EXPECT_EQ(g.ranks(), ranks);
      EXPECT_EQ(objection_to(cfg, g), "");
      EXPECT_TRUE(seen.insert(g.size).second) << text_of(g) << " twice";
    }
    std::size_t allowed = 0;
    for (int pp : {1, 2, 3, 4})
      for (int dp : {1, 3})
        for (int tp : {1, 3})  // divides 3 heads, 96 hidden units and 384
          allowed += ranks % (pp * dp * tp) == 0;
    EXPECT_EQ(all.size(), allowed) << ranks;
  }
}

TEST(Layout, ContextTakesWhateverIsLeft) {
  for (int ranks = 1; ranks < 40; ++ranks) EXPECT_TRUE(holds(possible_layouts(config(), ranks), {1, 1, ranks, 1}));
}

TEST(Layout, TheGridOfTheKeysIsGivenBack) {
  RunConfig cfg = config();
  cfg.parallel.cp = 2, cfg.parallel.tp = 3;
  EXPECT_EQ(layout_of(cfg, 6).size, (std::array<int, 4>{1, 1, 2, 3}));
  EXPECT_EQ(layout_of(cfg, 18).size, (std::array<int, 4>{1, 3, 2, 3})) << "dp takes the ranks that are left";
}

TEST(Layout, RefusalsNameWhatDoesNotDivideAndWhatIsNear) {
  EXPECT_EQ(refusal(config(), 2, {1, 2, 1, 1}),
            "parallel.dp=2 does not divide the 3 samples of a micro-batch (train.batch_size=6 / train.accumulate=2); "
            "possible with 2 ranks near it: pp=1 dp=1 cp=2 tp=1, or pp=2 dp=1 cp=1 tp=1");
  EXPECT_TRUE(
      refusal(config(), 5, {5, 1, 1, 1}).starts_with("parallel.pp=5 needs as many blocks, and model.layers=4; "));
  EXPECT_EQ(refusal(config(), 2, {1, 1, 1, 2}),
            "parallel.tp=2 does not divide the 3 heads of model.block_config.0 (attention); possible with 2 ranks near "
            "it: pp=1 dp=1 cp=2 tp=1, or pp=2 dp=1 cp=1 tp=1");
  EXPECT_EQ(refusal(config(), 4, {1, 0, 3, 1}),
            "parallel.pp=1 cp=3 tp=1 need a multiple of 3 ranks, and there are 4; possible with 4 ranks near it: pp=1 "
            "dp=1 cp=4 tp=1, or pp=2 dp=1 cp=2 tp=1, or pp=4 dp=1 cp=1 tp=1");
  EXPECT_TRUE(refusal(config(), 3, {1, 1, 1, 1}).starts_with("parallel.pp=1 dp=1 cp=1 tp=1 make 1 ranks"));
}

TEST(Layout, TheNearestComeFirst) {
  const std::string said = refusal(config(), 12, {2, 1, 1, 6});
  EXPECT_TRUE(said.find("near it: pp=2 dp=1 cp=2 tp=3, or pp=4 dp=1 cp=1 tp=3") != std::string::npos) << said;
}

TEST(Layout, TensorRanksCutFastWeightsByHeadsOrByHiddenUnits) {
  RunConfig cfg = RunConfig::from_overrides({"model.dim=96", "model.block_config.0.params.head_dim=16",
                                             "model.block_config.1.params.head_dim=96",
                                             "model.block_config.1.params.inter_multi=1.05"});
  EXPECT_TRUE(refusal(cfg, 6, {1, 1, 1, 6})
                  .starts_with("parallel.tp=6 divides neither the 1 heads of model.block_config.1 (fast weights) nor "
                               "the hidden width 100 of one "
                               "head; "));
  EXPECT_TRUE(holds(possible_layouts(cfg, 2), {1, 1, 1, 2})) << "50 hidden units each";
  views_of(cfg).model.block_config[2].params.inter_multi = 1.02;
  EXPECT_TRUE(refusal(cfg, 3, {1, 1, 1, 3}).find("block_config.1") != std::string::npos);
  EXPECT_TRUE(refusal(cfg, 2, {1, 1, 1, 2}).starts_with("parallel.tp=2 does not divide the hidden width 97 of"));
}

TEST(Layout, ContextByHeadsIsChosenWhereEveryRankGetsAsMany) {
  RunConfig cfg = config();  // 3 samples of 2 heads
  views_of(cfg).data.image_size = {16, 16},
  views_of(cfg).model.patch_size = 8;  // few tokens: their rows are the fewer bytes
  for (int cp : {2, 3, 6}) EXPECT_EQ(cp_choice(cfg, {{1, 1, cp, 1}}).mode, CpMode::heads) << cp;
  for (int cp : {4, 5, 8}) EXPECT_EQ(cp_choice(cfg, {{1, 1, cp, 1}}).mode, CpMode::tokens) << cp;
  cfg.parallel.cp_mode = "heads";  // asked for, it is done with any number of heads
  for (int cp : {2, 4, 5, 8}) {
    EXPECT_TRUE(holds(possible_layouts(cfg, cp), {1, 1, cp, 1})) << cp;
    EXPECT_EQ(cp_choice(cfg, {{1, 1, cp, 1}}).mode, CpMode::heads) << cp;
  }
}

TEST(Layout, AnInterleavedPipelineNeedsBlocksAndMicroBatches) {
  RunConfig cfg = config();
  cfg.parallel.interleave = 2;
  EXPECT_TRUE(holds(possible_layouts(cfg, 2), {2, 1, 1, 1}));
  EXPECT_TRUE(refusal(cfg, 4, {4, 1, 1, 1})
                  .starts_with("parallel.pp=4 with parallel.interleave=2 needs 8 blocks, and model.layers=4"));
  EXPECT_EQ(refusal(cfg, 1, {1, 1, 1, 1}),
            "parallel.interleave=2 needs more than one rank along the pipeline; no layout of 1 ranks is possible");
  cfg.train.accumulate = 3;
  EXPECT_TRUE(refusal(cfg, 2, {2, 1, 1, 1})
                  .starts_with("parallel.interleave=2 needs train.accumulate=3 divisible by parallel.pp=2"));
}

}  // namespace
}  // namespace lact
