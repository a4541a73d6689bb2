// A picture that is damaged in its middle costs its view, not the training: the run goes on without it, on any number
// of ranks and after any stop with the same samples. And what a run learned is on disk before anything else can fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "io/checkpoint.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"
#include "support/tiny_scene.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

int times_in(const std::string& text, const std::string& word) {
  int times = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != text.npos; at += word.size()) ++times;
  return times;
}

class DamagedPictures : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string config_ = folder_.write("tiny.yaml", tiny_config());

  void SetUp() override { write_tiny_scene(folder_ / "scene", 10); }  // views 6 and 7 are held out
  std::string file(int view) const { return folder_ / "scene/p" + std::to_string(view) + ".png"; }
  void put(int view, bool whole = true) const { write_whole(file(view), tiny_picture(view, 0, whole)); }
  Outcome train(const std::string& run, const Words& more = {}, int ranks = 1) const {
    Words all = {"train", config_, "run.dir=" + folder_ / run, "data.path=" + folder_ / "scene", "train.accumulate=1"};
    all.insert(all.end(), more.begin(), more.end());
    return Process(all, 0, ranks == 1 ? Words{} : on_ranks(ranks)).wait();
  }
};

TEST_F(DamagedPictures, ARunGoesOnWithoutThemAndNamesEachOnce) {
  const Words bits = {"train.deterministic=true", "train.constant_lr=true"};
  auto with = [&](Words more) { return more.insert(more.end(), bits.begin(), bits.end()), more; };
  for (int v : {1, 4}) put(v, false);
  const Outcome one = train("one", with({"data.threads=2"}));
  ASSERT_EQ(one.status, 0) << one.err;
  for (int v : {1, 4}) EXPECT_EQ(times_in(one.err, file(v)), 1) << one.err;
  EXPECT_NE(one.err.find("damaged"), std::string::npos);
  for (const Words& layout : {Words{"parallel.dp=2"}, Words{"parallel.cp=2"}}) {
    const std::string run = layout[0].substr(9, 2);
    const Outcome stopped = train(run, with({layout[0], "train.steps=5"}), 2), o = train(run, with(layout), 2);
    ASSERT_EQ(stopped.status, 0) << stopped.err;
    ASSERT_EQ(o.status, 0) << o.err;
    for (int v : {1, 4}) EXPECT_EQ(times_in(o.err, file(v)), 1) << o.err;
    std::vector<std::string> rows = told_by(folder_ / run);
    std::erase_if(rows, [](const std::string& row) { return row.starts_with("{\"step\": 5, \"eval"); });
    EXPECT_EQ(rows, told_by(folder_ / "one"));
  }
}

TEST_F(DamagedPictures, AHeldOutOneCostsItsViewInTheEvaluation) {
  put(7, false);
  for (int ranks : {1, 2}) {
    const std::string run = std::to_string(ranks);
    const Outcome o = train(run, {"train.eval_every=4"}, ranks);
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_EQ(steps_done(folder_ / run), 12);
    EXPECT_EQ(times_in(o.err, file(7)), 1) << o.err;
    EXPECT_EQ(std::ranges::count_if(rows_of(folder_ / run), [](const Json& r) { return r.has("eval_psnr"); }), 3);
  }
  put(6, false);
  const Outcome o = train("none");
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(steps_done(folder_ / "none"), 12);
  const Outcome eval = run_lact({"eval", folder_ / "none"});
  EXPECT_EQ(eval.status, 1);
  EXPECT_NE(eval.err.find("no held-out view can be evaluated"), std::string::npos) << eval.err;
  put(7);
  const Outcome again = train("none");  // the evaluation that the run owes
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_TRUE(rows_of(folder_ / "none").back().has("eval_psnr"));
  EXPECT_EQ(run_lact({"render", folder_ / "none"}).status, 0);
}

TEST_F(DamagedPictures, TheyAreFoundBeforeTheFirstStepWhereAsked) {
  for (int v : {4, 7}) put(v, false);
  expect_refused(
      folder_.path(),
      {"train", config_, "run.dir=" + folder_ / "run", "data.path=" + folder_ / "scene", "data.damaged=refuse"},
      {file(4), "damaged", "1 more", "data.damaged=skip"});
  expect_refused(folder_.path(), {"train", config_, "data.damaged=perhaps"}, {"data.damaged=perhaps"});
  const Outcome o = train("run", {"data.damaged=refuse"}, 2);
  EXPECT_EQ(o.status, 1);
  EXPECT_NE(o.err.find(file(4)), std::string::npos) << o.err;
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(DamagedPictures, WhatTheSystemCannotReadIsNotDamage) {
  const Outcome first = train("run", {"train.steps=3", "train.constant_lr=true"});
  ASSERT_EQ(first.status, 0) << first.err;
  // it is there when the run begins, and cannot be read as a picture or as anything else when it is drawn
  const std::string held_out = "data.held_out=[6, 7]";
  for (int v : {6, 7}) put(v, false);
  fs::permissions(file(6), fs::perms::none);
  const Outcome o = train("run", {"train.constant_lr=true", held_out});
  if (o.status == 0) {  // who may read everything
    EXPECT_EQ(times_in(o.err, "its view is left out"), 2) << o.err;
  }
  fs::permissions(file(6), fs::perms::owner_all);
}

TEST_F(DamagedPictures, ASheetThatCannotBeWrittenCostsNoRun) {
  const Words words = {"train.eval_every=4", "train.constant_lr=true"};
  ASSERT_EQ(train("run", {words[0], words[1], "train.steps=3"}).status, 0);
  const std::string sheet = folder_ / "run/images/step_00000004.png";
  fs::create_directories(sheet);
  const Outcome o = train("run", words, 2);
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(times_in(o.err, sheet), 1) << o.err;
  EXPECT_EQ(steps_done(folder_ / "run"), 12);
}

TEST_F(DamagedPictures, AnEvaluationThatARunOwesIsMadeWhenItGoesOn) {
  ASSERT_EQ(train("run", {"train.eval_every=4"}).status, 0);
  const auto told = told_by(folder_ / "run");
  for (const std::string steps : {"12", "8"}) {  // killed between the checkpoint and its evaluation
    const std::string path = folder_ / "run/metrics.jsonl";
    std::string rows = read_text(path, 1 << 20);
    rows.erase(rows.find("{\"step\": " + steps + ", \"eval"));
    write_whole(path, rows);
    for (std::int64_t step = 12; step > std::stoll(steps); step -= 4)
      fs::remove(checkpoint_path(folder_ / "run", step));
    const Outcome o = train("run", {"train.eval_every=4"});
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_EQ(told_by(folder_ / "run"), told);
  }
}

TEST_F(DamagedPictures, WeightsThatOnlySkipStepsDoNotReplaceGoodOnes) {
  for (int ranks : {1, 2}) {
    const std::string run = folder_ / std::to_string(ranks);
    const Words ruin = {"train.lr=1e30",       "train.warmup=1",           "train.skip_norm=0",
                        "train.max_skipped=3", "train.checkpoint_every=1", "train.constant_lr=false"};
    auto with = [&](const std::string& steps) {
      Words all = ruin;
      all.push_back("train.steps=" + steps);
      return all;
    };
    ASSERT_EQ(train(std::to_string(ranks), with("1"), ranks).status, 0);  // its rate is 0
    const auto good = numbers_in(checkpoint_path(run, 1));
    for (int start = 0; start < 5; ++start) {
      const Outcome o = train(std::to_string(ranks), with("20"), ranks);
      EXPECT_EQ(o.status, 1) << o.err;
      EXPECT_NE(o.err.find("train.max_skipped=3"), std::string::npos) << o.err;
      ASSERT_TRUE(fs::exists(checkpoint_path(run, 1)));
      EXPECT_LE(checkpoints_in(run).size(), 4u);
    }
    EXPECT_EQ(numbers_in(checkpoint_path(run, 1)), good);
  }
}

}  // namespace
}  // namespace lact
