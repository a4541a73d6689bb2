// Ranks that share held-out views report the scores and pictures that one rank reports alone.
#include <gtest/gtest.h>

#include "support/ranks.hpp"
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

Evaluation evaluated(LoadedModel m) {
  const auto source = open_views(m.config.data);
  Ctx c = m.context();
  return evaluate(m.model, c, *source, m.config.data);
}

void expect_the_same(const Evaluation& shared, const Evaluation& alone) {
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
  const Evaluation alone = evaluated(LoadedModel(cfg));
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

}  // namespace
}  // namespace lact
