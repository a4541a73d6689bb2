// Stopping and going on is the same as not stopping, and whatever forbids going on is said before anything is touched.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "files/whole_file.hpp"
#include "optim/schedule.hpp"
#include "run/checkpoint.hpp"
#include "support/command.hpp"
#include "support/hdf5_leaks.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class Resume : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string config_ = folder_.write("tiny.yaml", tiny_config());

  Words command(const std::string& run, Words more = {}) const {
    more.insert(more.begin(), {"train", config_, "run.dir=" + folder_ / run});
    return more;
  }
  std::string trained(const std::string& run, const Words& more = {}) const {  // the run's folder
    const Outcome o = run_lact(command(run, more));
    EXPECT_EQ(o.status, 0) << o.err;
    return folder_ / run;
  }
  void expect_refused(const std::string& run, const Words& more, const Words& words) const {
    lact::expect_refused(folder_.path(), command(run, more), words);
  }
};

void expect_same(const std::string& run, const std::string& other) {
  EXPECT_EQ(told_by(run), told_by(other));
  const auto a = numbers_in(newest_checkpoint(run)), b = numbers_in(newest_checkpoint(other));
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, bytes] : a) EXPECT_TRUE(b.at(name) == bytes) << name;
}

TEST_F(Resume, AGrownRunEqualsOneThatDidNotStop) {
  const Words constant = {"train.constant_lr=true", "train.eval_every=5"};
  Words five = constant;
  five.push_back("train.steps=5");
  trained("stopped", five);
  EXPECT_EQ(steps_done(folder_ / "stopped"), 5);
  expect_same(trained("stopped", constant), trained("whole", constant));
}

TEST_F(Resume, OtherViewsUnderTheSameNameAreRefused) {
  trained("run", {"train.steps=3", "train.constant_lr=true"});
  const std::string views = folder_ / "run/views.json";
  std::string changed = read_text(views, 1 << 20);
  changed.replace(changed.find("\"train\": [0"), 11, "\"train\": [9");
  write_whole(views, changed);
  expect_refused("run", {"train.steps=4", "train.constant_lr=true"},
                 {"views.json", "no longer those that the run began with"});
}

TEST_F(Resume, SignalsFinishTheStepAndSave) {
  const Words steps = {"train.steps=300", "train.eval_every=50", "compute.threads=2"};
  const std::string run = folder_ / "run";
  std::int64_t done = 0;
  for (int signal : {SIGINT, SIGTERM}) {
    Process p(command("run", steps));
    ASSERT_TRUE(comes_true([&] {  // whole lines: the last one may be half written while the run is at work
      return fs::exists(run + "/metrics.jsonl") &&
             std::ranges::count(read_text(run + "/metrics.jsonl", 1 << 24), '\n') > done + 20;
    }));
    p.send(signal);
    const Outcome o = p.wait();
    ASSERT_EQ(o.status, 75) << o.err;
    EXPECT_NE(o.err.find("stopped at step"), std::string::npos) << o.err;
    EXPECT_GT(steps_done(run), done);
    done = steps_done(run);
    EXPECT_LT(done, 300);
    EXPECT_EQ(training_rows(run).back()["step"].integer(), done);
  }
  trained("run", steps);
  expect_same(run, trained("whole", steps));
}

// A handler's frame on the stack of a thread inside a oneDNN kernel would overwrite the heap (see train_command.cpp).
TEST_F(Resume, OneThreadTakesTheStopSignalsAndComputesNothing) {
  Process p(command("run", {"train.steps=1000000", "compute.threads=2"}));
  ASSERT_TRUE(comes_true([&] { return fs::exists(folder_ / "run/metrics.jsonl"); }));
  const std::uint64_t both = 1u << (SIGINT - 1) | 1u << (SIGTERM - 1);
  int blocking = 0, waiting = 0;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(p.id()) + "/task")) {
    const std::string status = read_text(task.path().string() + "/status", 1 << 16), key = "SigBlk:";
    const std::uint64_t blocked = std::stoull(status.substr(status.find(key) + key.size()), nullptr, 16) & both;
    ++(blocked == both ? blocking : waiting);
    EXPECT_TRUE(task.path().filename() != std::to_string(p.id()) || blocked == both) << "the first thread computes";
  }
  EXPECT_LE(waiting, 1);   // the system lists the signals that a thread waits for as not blocked
  EXPECT_GE(blocking, 2);  // the first thread and the loader's
  p.send(SIGTERM);
  EXPECT_EQ(p.wait().status, 75);
}

TEST_F(Resume, StepsMayGrowUnderACosine) {
  trained("run", {"train.steps=6"});
  const auto before = training_rows(folder_ / "run");
  trained("run");
  const auto after = training_rows(folder_ / "run");
  ASSERT_EQ(after.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(after[i]["step"].integer(), std::int64_t(i + 1));
    EXPECT_EQ(after[i]["lr"].number(), cosine_rate(std::int64_t(i), 1e-3, 2, i < 6 ? 6 : 12));
    if (i < 6) {
      EXPECT_EQ(after[i].dump(), before[i].dump());
    }
  }
  EXPECT_EQ(checkpoint_state(newest_checkpoint(folder_ / "run")).sample, 24);
}

TEST_F(Resume, AFinishedRunSaysSoAndIsLeftAlone) {
  trained("run");
  const auto before = contents_of(folder_.path());
  const Outcome o = run_lact(command("run"));
  EXPECT_EQ(o.status, 0);
  EXPECT_NE(o.err.find("already at step 12 of 12"), std::string::npos) << o.err;
  EXPECT_EQ(contents_of(folder_.path()), before);
}

TEST_F(Resume, ADifferingKeyIsNamedAndRefused) {
  trained("run");
  for (const std::string pair : {"train.lr=2e-3", "train.seed=1", "train.batch_size=4", "train.accumulate=1",
                                 "train.steps=11", "model.layers=2", "model.patch_size=4", "data.num_input_views=2",
                                 "data.held_out=[7]", "data.synthetic.seed=1", "train.activation_checkpointing=false"})
    expect_refused("run", {pair}, {pair.substr(0, pair.find('=')), folder_ / "run"});
  expect_refused("run", {"model.block_config.0.params.head_dim=8"}, {"model.block_config.0.params.head_dim"});
}

TEST_F(Resume, KeysOfThePlaceMayDiffer) {
  trained("run", {"train.steps=7"});
  fs::rename(folder_ / "run", folder_ / "moved");
  const Outcome o =
      run_lact(command("moved", {"train.eval_every=2", "train.checkpoint_every=3", "train.keep_checkpoints=1",
                                 "train.checkpoint_seconds=5", "compute.threads=2", "parallel.dp=1",
                                 "parallel.timeout=9", "data.threads=0", "data.cache_mb=1"}));
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(steps_done(folder_ / "moved"), 12);
}

TEST_F(Resume, AnEmptyFolderIsFineAndAnotherIsRefused) {
  fs::create_directories(folder_ / "empty");
  EXPECT_EQ(steps_done(trained("empty")), 12);
  fs::create_directories(folder_ / "started");
  folder_.write("started/config.yaml.partial", "mod");  // what a killed start may leave
  EXPECT_EQ(steps_done(trained("started")), 12);
  fs::create_directories(folder_ / "other");
  folder_.write("other/notes.txt", "mine");
  expect_refused("other", {}, {folder_ / "other"});
  expect_refused("other/notes.txt", {}, {folder_ / "other/notes.txt"});
}

TEST_F(Resume, KeepsTheNewestCheckpoints) {
  const std::string run = trained("run", {"train.checkpoint_every=2", "train.keep_checkpoints=2"});
  EXPECT_EQ(checkpoints_in(run), (Words{checkpoint_path(run, 10), checkpoint_path(run, 12)}));
}

TEST_F(Resume, TheCheckpointJustWrittenStaysBehindADamagedLaterOne) {
  fs::create_directories(folder_ / "checkpoints");
  for (int step : {4, 5, 9}) folder_.write(checkpoint_path("", step).substr(1), "");
  folder_.write("checkpoints/step_00000007.h5.partial", "");
  remove_old_checkpoints(folder_.path(), 5, 1);
  EXPECT_EQ(checkpoints_in(folder_.path()),
            (Words{checkpoint_path(folder_.path(), 5), checkpoint_path(folder_.path(), 9)}));
  EXPECT_FALSE(fs::exists(folder_ / "checkpoints/step_00000007.h5.partial"));
}

TEST_F(Resume, ACheckpointIsWrittenWhenItsTimeHasCome) {
  Process p(command("run", {"train.steps=1000000", "train.checkpoint_seconds=1"}));
  EXPECT_TRUE(comes_true([&] { return !newest_checkpoint(folder_ / "run").empty(); }));
  p.send(SIGTERM);
  const Outcome o = p.wait();
  EXPECT_EQ(o.status, 75) << o.err;
}

class DamagedCheckpoint : public Resume {
 protected:
  const Words every_ = {"train.checkpoint_every=4"};
  std::string run_ = trained("run", every_);
  std::string newest_ = checkpoint_path(run_, 12), older_ = checkpoint_path(run_, 8);
  std::string whole_ = read_text(newest_, 1 << 30);

  void put(const std::string& path, const std::string& bytes) { write_whole(path, bytes); }
};

TEST_F(DamagedCheckpoint, IsNamedAndAnOlderOneUsed) {
  const auto right = numbers_in(newest_);
  for (const std::string& bytes : {with_one_byte_changed(newest_, "value/input_linear.weight"),
                                   with_one_byte_changed(newest_, "first/input_linear.weight"),
                                   whole_.substr(0, whole_.size() / 2), std::string(), std::string("a checkpoint")}) {
    put(newest_, bytes);
    const Outcome o = run_lact(command("run", every_));
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_NE(o.err.find("warning: " + newest_), std::string::npos) << o.err;
    EXPECT_NE(o.err.find(older_ + " is used instead"), std::string::npos) << o.err;
    EXPECT_TRUE(numbers_in(newest_) == right);
    EXPECT_EQ(training_rows(run_).size(), 12u);
  }
}

TEST_F(DamagedCheckpoint, AllOfThemAreNamedAndNothingIsOverwritten) {
  for (const std::string& path : checkpoints_in(run_)) put(path, read_text(path, 1 << 30).substr(0, 5000));
  expect_refused("run", {}, {newest_, older_, checkpoint_path(run_, 4)});
  expect_refused("run", {"train.steps=20"}, {newest_, older_, checkpoint_path(run_, 4)});
}

TEST_F(DamagedCheckpoint, OfAnotherModelIsNamed) {
  for (const std::string pair : {"model.layers=2", "model.patch_size=4"}) {
    const std::string other = trained("other_" + pair, {pair});
    put(newest_, read_text(checkpoint_path(other, 12), 1 << 30));
    const Outcome o = run_lact(command("run", every_));
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_NE(o.err.find(newest_ + ": is a checkpoint of another model"), std::string::npos) << o.err;
  }
  const std::string wide = trained("wide", {"model.dim=32"});
  for (const std::string& path : checkpoints_in(run_)) put(path, read_text(checkpoint_path(wide, 12), 1 << 30));
  expect_refused("run", {}, {newest_, "another model"});
}

TEST_F(DamagedCheckpoint, RowsBehindTheCheckpointAreCut) {
  const auto right = told_by(run_);
  put(run_ + "/metrics.jsonl",
      read_text(run_ + "/metrics.jsonl", 1 << 30) + "{\"step\": 13, \"loss\": 1.0}\n{\"step\": 14, \"lo");
  fs::remove(newest_);
  trained("run", every_);
  EXPECT_EQ(told_by(run_), right);
}

}  // namespace
}  // namespace lact
