// A training process may be killed at any moment: the run loads, goes on, and ends with the same bits.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "run/checkpoint.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
constexpr int kills = 25;

class Crash : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string config_ = folder_.write("tiny.yaml", tiny_config()), run_ = folder_ / "run";

  Words command(const std::string& run, std::int64_t steps, const Words& more) const {
    Words all = {"train",
                 config_,
                 "run.dir=" + run,
                 "train.constant_lr=true",
                 "train.eval_every=9",
                 "train.steps=" + std::to_string(steps)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Words endless() const { return command(run_, 1000000, {"train.checkpoint_every=1"}); }

  // The newest checkpoint is whole, whatever happened; a run without one starts at 0 by itself.
  std::int64_t loadable_steps() const {
    const std::string newest = newest_checkpoint(run_);
    return newest.empty() ? 0 : std::stoll(numbers_in(newest).at("step"));
  }
  bool is_writing_a_checkpoint() const {
    std::error_code gone;
    for (fs::directory_iterator file(run_ + "/checkpoints", gone), end; !gone && file != end; file.increment(gone))
      if (file->path().extension() == ".partial") return true;
    return false;
  }
};

std::vector<std::string> steps_told(const std::string& run) {
  std::vector<std::string> told = told_by(run);
  std::erase_if(told, [](const std::string& row) { return row.find("\"loss\"") == std::string::npos; });
  return told;
}

TEST_F(Crash, KilledAtAnyMomentARunLoadsAndGoesOnWithTheSameBits) {
  std::mt19937 random(20260);
  auto uniform = [&](double most) { return std::uniform_real_distribution<double>(0, most)(random); };
  double start_up = 0;  // until the first step, as the first process took it
  std::int64_t steps = 0;
  int while_writing = 0;
  for (int kill = 0; kill < kills; ++kill) {
    const double begin = seconds_now();
    Process p(endless());
    if (kill == 0) {
      ASSERT_TRUE(comes_true(
          [&] { return fs::exists(run_ + "/metrics.jsonl") && fs::file_size(run_ + "/metrics.jsonl") > 0; }));
      start_up = seconds_now() - begin;
    } else if (kill % 3 == 1) {
      pause_for(uniform(start_up));
    } else if (kill % 3 == 2) {
      pause_for(start_up + uniform(0.4));
    } else {
      pause_for(start_up + uniform(0.1));
      while_writing += comes_true([&] { return is_writing_a_checkpoint(); }, 5);
    }
    p.send(SIGKILL);
    const Outcome o = p.wait();
    ASSERT_EQ(o.status, 128 + SIGKILL) << "ended by itself before kill " << kill << ": " << o.err;
    const std::int64_t now = loadable_steps();
    EXPECT_GE(now, steps) << "kill " << kill << " lost steps";
    steps = now;
  }
  EXPECT_GT(while_writing, 0);

  Process last(endless());
  ASSERT_TRUE(comes_true([&] { return steps_done(run_) > steps; }));
  last.send(SIGTERM);
  ASSERT_EQ(last.wait().status, 75);
  steps = loadable_steps();

  const std::string whole = folder_ / "whole";
  const Outcome o = run_lact(command(whole, steps, {}));
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(steps_told(run_), steps_told(whole));
  EXPECT_EQ(std::int64_t(steps_told(run_).size()), steps);
  const auto a = numbers_in(checkpoint_path(run_, steps)), b = numbers_in(checkpoint_path(whole, steps));
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, bytes] : a) EXPECT_TRUE(b.at(name) == bytes) << name;
  RecordProperty("steps", int(steps));
}

}  // namespace
}  // namespace lact
