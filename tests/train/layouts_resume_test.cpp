// A run goes on under any layout: every sample is seen once, in the same order, and the losses are those of one rank. A
// save that fails or is killed costs no earlier checkpoint.
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <filesystem>

#include "run/checkpoint.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class Layouts : public testing::Test {
 protected:
  // Two blocks for two stages, two heads for tp, six samples per micro-batch for dp.
  static std::string config() {
    return R"(model: {patch_size: 8, dim: 16, layers: 2, block_config: [
  {type: model.SelfAttention, length_dim: l, params: {head_dim: 8}},
  {type: lact_ttt.FastWeightGluMLPMultihead, params: {head_dim: 16, muon_update_steps: 5}},
  {type: model.MLP, params: {inter_multi: 2}}]}
data:
  image_size: [16, 16]
  num_all_views: 4
  num_input_views: 3
  num_target_views: 2
  held_out: [6, 7]
  synthetic: {scenes: 2, views: 8, resolution: 16}
train:
  {batch_size: 12, accumulate: 2, lr: 1.0e-3, warmup: 2, free_steps: -1, constant_lr: true, checkpoint_seconds: 0}
compute: {threads: 1, device: cpu}
)";
  }
  Words command(std::int64_t steps, const Words& more) const {
    Words all = {"train", config_, "run.dir=" + run_, "train.steps=" + std::to_string(steps)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Outcome train(int ranks, std::int64_t steps, const Words& more) const {
    return Process(command(steps, more), 0, ranks == 1 ? Words{} : on_ranks(ranks)).wait();
  }
  TemporaryFolder folder_;
  std::string config_ = folder_.write("small.yaml", config()), run_ = folder_ / "run";
};

// Each leg trains, evaluates and saves, and the next goes on under another layout.
TEST_F(Layouts, EachLegOfARunHasItsOwn) {
  struct Leg {
    int ranks;
    Words layout;
  };
  const std::vector<Leg> legs{{1, {}},
                              {2, {"parallel.dp=2"}},
                              {4, {"parallel.cp=2", "parallel.tp=2"}},
                              {3, {"parallel.cp=3"}},
                              {2, {"parallel.cp=2", "parallel.cp_mode=heads"}},
                              {6, {"parallel.pp=2", "parallel.dp=3", "parallel.compare_calls=true"}},
                              {2, {"parallel.tp=2"}},
                              {1, {}}};
  std::int64_t steps = 0;
  for (const Leg& leg : legs) {
    steps += 2;
    const Outcome o = train(leg.ranks, steps, leg.layout);
    ASSERT_EQ(o.status, 0) << leg.ranks << " ranks: " << o.err;
    const TrainState s = checkpoint_state(newest_checkpoint(run_));
    EXPECT_EQ(s.step, steps);
    EXPECT_EQ(s.sample, 12 * steps);
    EXPECT_EQ(s.optimizer_steps, steps);
  }
  const std::vector<Json> cut = training_rows(run_), judged = evaluation_rows(run_);
  run_ = folder_ / "whole";
  ASSERT_EQ(train(1, steps, {"train.eval_every=2"}).status, 0);
  const std::vector<Json> whole = training_rows(run_), wanted = evaluation_rows(run_);
  ASSERT_EQ(cut.size(), whole.size());
  for (std::size_t i = 0; i < cut.size(); ++i) {
    EXPECT_EQ(cut[i]["step"].integer(), std::int64_t(i) + 1);
    EXPECT_EQ(cut[i]["tokens"].integer(), whole[i]["tokens"].integer());
    const double a = cut[i]["loss"].number(), b = whole[i]["loss"].number();
    EXPECT_LE(std::abs(a - b), b * double(i + 1) * 1.2e-7) << "one rounding of f32 per step, and it is step " << i + 1;
  }
  ASSERT_EQ(judged.size(), legs.size());
  ASSERT_EQ(wanted.size(), legs.size());
  for (std::size_t i = 0; i < judged.size(); ++i) {
    EXPECT_EQ(judged[i]["step"].integer(), wanted[i]["step"].integer());
    const double a = judged[i]["eval_loss"].number(), b = wanted[i]["eval_loss"].number();
    EXPECT_LE(std::abs(a - b), b * double(wanted[i]["step"].integer() + 1) * 1.2e-7) << "evaluation of leg " << i;
  }
}

TEST_F(Layouts, ARankKilledWhileItSavesCostsNoEarlierCheckpoint) {
  std::int64_t before = 0;
  for (int round = 0; round < 3; ++round) {
    Process job(command(1000000, {"train.checkpoint_every=1", "parallel.dp=3"}), 0, on_ranks(3));
    const bool saving = comes_true([&] {
      std::error_code gone;
      if (steps_done(run_) < before + 2) return false;
      for (fs::directory_iterator file(run_ + "/checkpoints", gone), end; !gone && file != end; file.increment(gone))
        if (file->path().extension() == ".partial") return true;
      return false;
    });
    ASSERT_TRUE(saving);
    for (int id : processes_with(std::string(std::getenv("LACT_BINARY")) + " train " + config_))
      if (id != job.id() && fs::read_symlink("/proc/" + std::to_string(id) + "/exe").filename() == "lact") {
        ::kill(id, SIGKILL);
        break;
      }
    EXPECT_NE(job.wait(60).status, 0);
    EXPECT_TRUE(comes_true([&] { return processes_with("train " + config_).empty(); }, 20)) << "a rank stays";
    const std::int64_t now = std::stoll(numbers_in(newest_checkpoint(run_)).at("step"));
    EXPECT_GE(now, before + 2);
    before = now;
  }
  Process job(command(1000000, {"train.checkpoint_every=1", "parallel.tp=2"}), 0, on_ranks(2));
  EXPECT_TRUE(comes_true([&] { return steps_done(run_) > before; })) << "another layout goes on from there";
  job.send(SIGTERM);
  const Outcome o = job.wait(60);
  EXPECT_EQ(o.status, 75) << o.err;
}

TEST_F(Layouts, ASaveThatFailsIsASentenceAndTheRunGoesOnFromTheOneBefore) {
  ASSERT_EQ(train(2, 2, {"parallel.cp=2"}).status, 0);
  const std::string place = checkpoint_path(run_, 4);
  fs::create_directory(place);  // what stands there cannot be replaced
  const Outcome o = train(2, 4, {"parallel.cp=2"});
  EXPECT_EQ(o.status, 1);
  EXPECT_NE(o.err.find(place), std::string::npos) << o.err;
  fs::remove(place);
  EXPECT_EQ(steps_done(run_), 2);
  ASSERT_EQ(train(3, 4, {"parallel.dp=3"}).status, 0);
  EXPECT_EQ(steps_done(run_), 4);
  EXPECT_EQ(training_rows(run_).size(), 4u);
}

}  // namespace
}  // namespace lact
