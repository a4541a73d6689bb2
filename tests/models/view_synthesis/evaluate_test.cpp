// Ranks that share held-out views report the scores and pictures that one rank reports alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "data/views/open_views.hpp"
#include "data/views/synthetic.hpp"
#include "models/view_synthesis/evaluate.hpp"
#include "parallel/together.hpp"
#include "support/ranks.hpp"
#include "support/views_of.hpp"
#include "train/layout.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

// Three scenes with two held-out views each, one of them never trained on; more ranks than views and fewer.
RunConfig tiny() {
  return RunConfig::from_overrides(
      {"model.patch_size=8", "model.dim=24", "model.layers=2", "model.block_config.0.params.head_dim=12",
       "model.block_config.1.params.head_dim=12", "data.image_size=[16, 16]", "data.num_all_views=4",
       "data.num_input_views=2", "data.num_target_views=2", "data.synthetic.scenes=3", "data.synthetic.views=6",
       "data.synthetic.resolution=16", "train.batch_size=12", "data.held_out=[1, 4]", "data.held_out_scenes=[2]",
       "data.threads=0", "compute.threads=1", "compute.device=cpu"});
}

ViewEvaluation evaluated(LoadedModel&& m, const ViewSource& source) {
  Ctx c = m.context();
  return evaluate(view_synthesis(*m.model), c, source, views_of(m.config).data);
}
ViewEvaluation evaluated(LoadedModel&& m) {
  const auto source = open_views(views_of(m.config).data);
  return evaluated(std::move(m), *source);
}

// Generated scenes, of which view 4 of scene 1 is held out. One view of that scene is damaged for all ranks, or out of
// reach for one of them: a share that is gone, memory that is used up.
class Troubled : public SyntheticScenes {
 public:
  explicit Troubled(const RunConfig& cfg) : SyntheticScenes(views_of(cfg).data.synthetic, 0) {}
  PosedView load(std::int64_t s, std::int64_t v, std::int64_t h, std::int64_t w) const override {
    ++loads[{s, v}];
    if (s == 1 && v == damaged) throw DamagedPicture("picture is damaged", "");
    check(s != 1 || v != out_of_reach, "picture: cannot be read (Stale file handle)");
    return SyntheticScenes::load(s, v, h, w);
  }
  std::int64_t damaged = -1, out_of_reach = -1;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, int> loads;
};

void expect_the_same(const ViewEvaluation& shared, const ViewEvaluation& alone) {
  ASSERT_EQ(shared.views.size(), alone.views.size());
  for (std::size_t i = 0; i < alone.views.size(); ++i) {
    const RenderedView &a = alone.views[i], &b = shared.views[i];
    EXPECT_EQ(a.score.scene, b.score.scene);
    EXPECT_EQ(a.score.view, b.score.view);
    EXPECT_EQ(a.score.novel_scene, b.score.novel_scene);
    EXPECT_EQ(a.input, b.input);
    EXPECT_EQ(a.target, b.target);
    ASSERT_EQ(a.prediction.size(), b.prediction.size());
    for (std::size_t k = 0; k < a.prediction.size(); ++k) ASSERT_NEAR(a.prediction[k], b.prediction[k], 1e-5) << k;
    EXPECT_NEAR(a.score.psnr, b.score.psnr, 1e-3);
    EXPECT_EQ(a.score.nearest_psnr, b.score.nearest_psnr);
    EXPECT_EQ(a.score.mean_psnr, b.score.mean_psnr);
  }
  EXPECT_EQ(shared.values().size(), alone.values().size());
}

// One sample at a time, whatever a training step holds: 2 heads over 3 ranks, 2 over 6.
TEST(Evaluate, EveryLayoutGivesTheViewsOfOneRank) {
  RunConfig cfg = tiny();
  const ViewEvaluation alone = evaluated(LoadedModel(cfg));
  ASSERT_EQ(alone.views.size(), 6u);
  const int n = world().size();
  for (const Grid& grid : possible_layouts(cfg, n))
    for (const std::string mode : {"tokens", "heads"}) {
      if (grid.size[std::size_t(Axis::cp)] == 1 && mode == "heads") continue;
      SCOPED_TRACE(text_of(grid) + " by " + mode);
      cfg.parallel.cp_mode = mode;
      auto mesh = std::make_unique<Mesh>(grid, world().split(0, world().rank(), "world"));
      expect_the_same(evaluated(LoadedModel(cfg, std::move(mesh), Device::open(Backend::cpu))), alone);
    }
}

LoadedModel laid_out(RunConfig cfg, const Grid& grid) {
  auto mesh = std::make_unique<Mesh>(grid, world().split(0, world().rank(), "world"));
  return LoadedModel(cfg, std::move(mesh), Device::open(Backend::cpu));
}

TEST(Evaluate, ADamagedInputGivesItsPlaceToAnotherInEveryLayout) {
  const RunConfig cfg = tiny();
  for (const std::int64_t damaged : {0, 3}) {  // inputs of scene 1
    Troubled source(cfg);
    source.damaged = damaged;
    const ViewEvaluation alone = evaluated(LoadedModel(cfg), source);
    ASSERT_EQ(alone.views.size(), 6u);
    ASSERT_EQ(alone.choices.size(), 3u);
    EXPECT_EQ(std::ranges::count(alone.choices[1].inputs, damaged), 0);
    for (const Grid& grid : possible_layouts(cfg, world().size())) {
      SCOPED_TRACE(text_of(grid));
      expect_the_same(evaluated(laid_out(cfg, grid), source), alone);
    }
  }
}

TEST(Evaluate, WhatOneRankCannotReadLeavesItOutOnAll) {
  const RunConfig cfg = tiny();
  for (const Grid& grid : possible_layouts(cfg, world().size()))
    for (const int rank : {0, world().size() - 1}) {
      SCOPED_TRACE(text_of(grid));
      Troubled source(cfg);
      // a rank of dp that does not work on this scene reads nothing of it
      if (world().rank() == rank) source.out_of_reach = 4;
      bool left_out = false;
      try {
        evaluated(laid_out(cfg, grid), source);
      } catch (const Unreadable& e) {
        left_out = true;
        EXPECT_NE(std::string(e.what()).find("Stale file handle"), std::string::npos);
      }
      const bool met = source.out_of_reach == 4 && source.loads.contains({1, 4});
      bool any_met = false;
      for (const auto& one : gathered(world(), std::vector<std::uint64_t>{met})) any_met |= one[0] != 0;
      EXPECT_EQ(left_out, any_met);
    }
}

TEST(Evaluate, APictureIsReadOnce) {
  const RunConfig cfg = tiny();
  const Troubled source(cfg);
  evaluated(LoadedModel(cfg), source);
  EXPECT_EQ(source.loads.size(), 12u);
  for (const auto& [view, times] : source.loads) EXPECT_EQ(times, 1) << view.first << ", " << view.second;
}

}  // namespace
}  // namespace lact
