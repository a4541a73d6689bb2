// Training learns: one small generated scene on one core, judged by views that no training sample contains.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "data/views/open_views.hpp"
#include "data/views/view_samples.hpp"
#include "files/whole_file.hpp"
#include "models/view_synthesis/evaluate.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"
#include "support/views_of.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

constexpr std::int64_t steps = 800;

class Learn : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    run_ = *folder_ / "run";
    const std::string config = folder_->write("learn.yaml", R"(
model: {patch_size: 4, dim: 32, layers: 2, block_config: [
  {type: model.SelfAttention, length_dim: l, params: {head_dim: 16}},
  {type: lact_ttt.FastWeightGluMLPMultihead, params: {head_dim: 32, inter_multi: 2, muon_update_steps: 5}},
  {type: model.MLP}]}
data:
  {image_size: [16, 16], num_all_views: 8, num_input_views: 6, num_target_views: 4, held_out: [44, 45, 46, 47],
   synthetic: {scenes: 1, views: 48, resolution: 16}}
train: {steps: 800, batch_size: 2, lr: 2.0e-3, warmup: 40, free_steps: -1, skip_norm: 0, checkpoint_seconds: 0}
compute: {threads: 1, device: )" + tested_device() + R"(}
)");
    const Outcome o = run_lact({"train", config, "run.dir=" + run_});
    ASSERT_EQ(o.status, 0) << o.err;
    evaluated_ = run_lact({"eval", run_, "--json"});
    ASSERT_EQ(evaluated_.status, 0) << evaluated_.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static Json evaluation() { return Json::parse(evaluated_.out, "eval --json"); }

  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::string run_;
  static inline Outcome evaluated_;
};

std::vector<std::int64_t> integers(const Json& list) {
  std::vector<std::int64_t> out;
  for (const Json& item : list.items()) out.push_back(item.integer());
  return out;
}

TEST_F(Learn, TheLossFalls) {
  const auto rows = training_rows(run_);
  ASSERT_EQ(rows.size(), std::size_t(steps));
  auto mean_of = [&](std::size_t begin, std::size_t end) {
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i) sum += rows[i]["loss"].number();
    return sum / double(end - begin);
  };
  // It fell by factors of 15 to 20 for three seeds.
  EXPECT_LT(mean_of(rows.size() - 20, rows.size()), mean_of(0, 10) / 10);
}

TEST_F(Learn, HeldOutViewsBeatBothBaselines) {
  const Json e = evaluation();
  const double better = std::max(e["eval_nearest_psnr"].number(), e["eval_mean_colour_psnr"].number());
  // 3.2 to 3.7 dB above for three seeds.
  EXPECT_GT(e["eval_psnr"].number(), better + 2) << e.dump();
  EXPECT_EQ(run_lact({"eval", run_, "--above-baselines", "2"}).status, 0);
  EXPECT_EQ(run_lact({"eval", run_, "--above-baselines", "50"}).status, 1);
}

TEST_F(Learn, MeansAreOverViewsAndOverPixels) {
  const Json e = evaluation();
  double sum = 0, mse = 0;
  std::vector<std::int64_t> views;
  for (const Json& v : e["views"].items()) {
    sum += v["psnr"].number(), mse += std::pow(10, -v["psnr"].number() / 10);
    views.push_back(v["view"].integer());
    EXPECT_FALSE(v["novel_scene"].boolean());
    EXPECT_GT(v["ssim"].number(), 0);
  }
  EXPECT_EQ(views, (std::vector<std::int64_t>{44, 45, 46, 47}));
  const double slack = 1e-9;  // the power and the logarithm of a double
  EXPECT_NEAR(e["eval_psnr"].number(), sum / 4, slack);
  EXPECT_NEAR(e["eval_psnr_pooled"].number(), -10 * std::log10(mse / 4), slack);
  EXPECT_NEAR(e["eval_loss"].number(), mse / 4, slack);
  const Json last = rows_of(run_).back();
  for (const std::string key : {"eval_psnr", "eval_psnr_pooled", "eval_ssim"})
    EXPECT_EQ(last[key].number(), e[key].number()) << key;
  EXPECT_EQ(last["step"].integer(), steps);
  for (const auto& [key, value] : last.members()) EXPECT_TRUE(key == "step" || key.starts_with("eval_")) << key;
}

TEST_F(Learn, HeldOutViewsNeverTrain) {
  const Json lists = Json::read(run_ + "/views.json");
  ASSERT_EQ(lists.size(), 1);
  const auto train = integers(lists.at(0)["train"]), held_out = integers(lists.at(0)["held_out"]);
  std::vector<std::int64_t> first(44);
  std::iota(first.begin(), first.end(), 0);
  EXPECT_EQ(train, first);
  EXPECT_EQ(held_out, (std::vector<std::int64_t>{44, 45, 46, 47}));

  const RunConfig cfg = config_of_run(run_);
  const DataConfig& data = views_of(cfg).data;
  const auto source = open_views(data);
  const ViewSamples samples(*source, data, std::uint64_t(cfg.train.seed));
  std::set<std::int64_t> drawn;
  for (std::int64_t sample = 0; sample < steps * cfg.train.batch_size; ++sample) {
    const ViewChoice choice = samples.choice(sample);
    drawn.insert(choice.drawn.begin(), choice.drawn.end());
    drawn.insert(choice.inputs.begin(), choice.inputs.end());
    drawn.insert(choice.targets.begin(), choice.targets.end());
  }
  EXPECT_EQ(std::vector<std::int64_t>(drawn.begin(), drawn.end()), train);
  for (const ViewChoice& choice : evaluation_choices(*source, data))
    for (std::int64_t v : choice.inputs) EXPECT_TRUE(drawn.contains(v)) << v;
}

}  // namespace
}  // namespace lact
