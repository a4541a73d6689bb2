// A picture that is damaged in its middle costs its view, not the training: the run goes on without it, on any number
// of ranks and after any stop with the same samples. And what a run learned is on disk before anything else can fail.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "data/views/images.hpp"
#include "run/checkpoint.hpp"
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

// A file that was cut off shows when it is looked at, before the first step; one that is damaged in its middle later.
TEST_F(DamagedPictures, TheStartAndTheTrainingSkipTheSame) {
  const Words words = {"train.eval_every=0", "train.constant_lr=true"};
  std::vector<std::vector<std::string>> told;
  for (const bool at_the_start : {true, false}) {
    const std::string bytes = tiny_picture(4);
    if (at_the_start)
      write_whole(file(4), bytes.substr(0, 400));
    else
      put(4, false);
    const std::string run = at_the_start ? "start" : "later";
    const Outcome o = train(run, words);
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_EQ(times_in(o.err, file(4)), 1) << o.err;
    EXPECT_EQ(times_in(o.err, "its view is left out"), 1) << o.err;
    told.push_back(told_by(folder_ / run));
    const Outcome refused = train("refused", {"data.damaged=refuse"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_EQ(times_in(refused.err, file(4)), 1) << refused.err;
  }
  EXPECT_EQ(told[0], told[1]);
  fs::remove(file(4));
  fs::create_directory(file(4));
  for (const std::string damaged : {"skip", "refuse"}) {  // says nothing about the picture
    const Outcome o = train("system", {"data.damaged=" + damaged});
    EXPECT_EQ(o.status, 1);
    EXPECT_EQ(times_in(o.err, file(4) + ": is not a file"), 1) << o.err;
  }
}

TEST_F(DamagedPictures, ASceneThatHasNoneLeftEndsNoRun) {
  write_tiny_scene(folder_ / "other", 10, 3);
  const std::string index = folder_ / "index.json";
  write_whole(index, R"(["scene/opencv_cameras.json", "other/opencv_cameras.json"])");
  for (int v = 0; v < 10; ++v) put(v, false);
  std::vector<std::vector<std::string>> told;
  for (int ranks : {1, 2}) {
    const std::string run = "run" + std::to_string(ranks);
    const Words words = {"data.path=" + index, "train.constant_lr=true", "train.deterministic=true",
                         ranks == 2 ? "parallel.cp=2" : "parallel.cp=1"};
    Words five = words;
    five.push_back("train.steps=5");
    ASSERT_EQ(train(run, five, ranks).status, 0);
    const Outcome o = train(run, words, ranks);
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_EQ(times_in(o.err, "scene 'scene' (" + folder_ / "scene" + "): all pictures of its views to train on"), 1);
    EXPECT_EQ(times_in(o.err, "other scenes stand in for it (1 damaged so far)"), 1) << o.err;
    told.push_back(told_by(folder_ / run));
  }
  EXPECT_EQ(told[0], told[1]);
}

TEST_F(DamagedPictures, OneRankLooksBeforeTheFirstStepWhoeverPlaysIt) {
  const std::string list = folder_ / "scene/opencv_cameras.json";
  std::string cameras = read_text(list, 1 << 20);
  for (std::size_t at = 0; (at = cameras.find("{\"fx\"", at)) != cameras.npos; at += 20)
    cameras.insert(at + 1, "\"w\": 160, \"h\": 160, ");
  write_whole(list, cameras);
  const std::string said = "fx, fy, cx and cy are scaled to the picture, as for 10 of 10 pictures",
                    data = "data.path=" + folder_ / "scene";
  const Outcome played = train("played", {"train.deterministic=true", "train.steps=1"});
  EXPECT_EQ(times_in(played.err, said), 1) << played.err;
  const Outcome profile = Process({"profile", config_, data, "train.accumulate=1", "out=" + folder_ / "profile",
                                   "pairs=1", "alone=1", "traced=1"},
                                  0, on_ranks(2))
                              .wait();
  EXPECT_EQ(profile.status, 0) << profile.err;
  EXPECT_EQ(times_in(profile.err, said), 1) << profile.err;
}

// Takes all memory but so much from this process, for as long as it lives.
class LittleMemory {
 public:
  explicit LittleMemory(std::int64_t left) {
    std::int64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    getrlimit(RLIMIT_AS, &before_);
    const rlimit now{rlim_t(pages * sysconf(_SC_PAGESIZE) + left), before_.rlim_max};
    setrlimit(RLIMIT_AS, &now);
  }
  ~LittleMemory() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

TEST_F(DamagedPictures, HoweverLittleMemoryThereIsAGoodOneIsNotCalledDamaged) {
  const std::string path = folder_ / "large.png";
  write_png(path, {6000, 2000, 3, std::vector<std::uint8_t>(std::size_t(36000000), 7)});
  int failed = 0, read = 0;
  for (std::int64_t left = 0; left < 64 << 20; left += 1 << 21) {
    const char* said = nullptr;
    try {
      const LittleMemory little(left);
      decode_image(path);
      ++read;
    } catch (const DamagedPicture&) {
      said = "damaged";
    } catch (const std::exception&) {
      ++failed;
    }
    ASSERT_EQ(said, nullptr) << left;
  }
  EXPECT_GT(failed, 3);
  EXPECT_GT(read, 3);
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
