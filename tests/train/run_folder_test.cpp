// A run is its folder: it and its data are found from anywhere and after a move, other data are not taken for them, and
// a folder that holds only logs is as good as a new one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "files/whole_file.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"
#include "support/tiny_scene.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

// A project folder with a config in it, and data beside it; the test works from there.
class RunFolder : public testing::Test {
 protected:
  TemporaryFolder folder_;
  const fs::path before_ = fs::current_path();
  const std::string scene_ = folder_ / "data/S", run_ = folder_ / "proj/runs/a";

  void SetUp() override {
    write_tiny_scene(scene_, 8);
    fs::create_directories(folder_ / "proj/sub");
    folder_.write("proj/tiny.yaml", tiny_config());
    fs::current_path(folder_ / "proj");
  }
  void TearDown() override { fs::current_path(before_); }
  Outcome train(Words more) const {
    more.insert(more.begin(), {"train", "tiny.yaml", "train.constant_lr=true"});
    return run_lact(more);
  }
  void trains(const std::string& path, int steps) const {
    const Outcome o = train({"data.path=" + path, "run.dir=runs/a", "train.steps=" + std::to_string(steps)});
    EXPECT_EQ(o.status, 0) << path << ": " << o.err;
    EXPECT_EQ(steps_done(run_), steps) << path;
  }
  void refuses(const std::string& path, const Words& words) const {
    expect_refused(
        folder_.path(),
        {"train", folder_ / "proj/tiny.yaml", "train.constant_lr=true", "data.path=" + path, "run.dir=" + run_}, words);
  }
  static void evaluates(const std::string& run, const Words& more = {}) {
    Words all = {"eval", run};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome o = run_lact(all);
    EXPECT_EQ(o.status, 0) << o.err;
  }
  static void replace(const std::string& path, const std::string& from, const std::string& to) {
    std::string text = read_text(path, 1 << 20);
    ASSERT_NE(text.find(from), text.npos) << from << " is not in " << text;
    text.replace(text.find(from), from.size(), to);
    write_whole(path, text);
  }
};

TEST_F(RunFolder, IsEvaluatedFromAnywhere) {
  trains("../data/S", 2);
  for (const std::string from : {"proj/sub", "data", "proj"}) {
    fs::current_path(folder_ / from);
    evaluates(run_);
    evaluates(fs::relative(run_).string());
  }
}

TEST_F(RunFolder, GoesOnWithItsDataByWhateverName) {
  trains("../data/S", 2);
  fs::create_directory_symlink(scene_, folder_ / "link");
  int steps = 2;
  for (const std::string& path : {std::string("../data/S/"), scene_, std::string("../data/S/opencv_cameras.json"),
                                  std::string("../data/./S//"), folder_ / "link"})
    trains(path, ++steps);
  fs::rename(scene_, folder_ / "data/S 2");
  trains("../data/S 2", ++steps);
  fs::current_path(folder_ / "data");
  evaluates(run_);  // where they are now
}

TEST_F(RunFolder, DoesNotTakeOtherDataForItsOwn) {
  trains("../data/S", 2);
  write_tiny_scene(folder_ / "other/S", 8, 1);  // with the same names and cameras
  write_tiny_scene(folder_ / "more/S", 9);
  write_tiny_scene(folder_ / "moved/S", 8);
  replace(folder_ / "moved/S/opencv_cameras.json", "\"cx\": 8", "\"cx\": 7");
  for (const std::string name : {"other", "more", "moved"})
    refuses(folder_ / (name + "/S"), {"data.path=" + folder_ / (name + "/S"), run_, scene_});
  refuses("", {"data.path=", run_, scene_});
}

TEST_F(RunFolder, InOnePlaceOtherCamerasAreRefusedAndOtherPicturesAreSaid) {
  trains("../data/S", 2);
  const std::string views = read_text(run_ + "/views.json", 1 << 20);
  write_whole(scene_ + "/p2.png", tiny_picture(2, 1));
  for (int start = 3; start < 5; ++start) {
    const Outcome o = train({"data.path=../data/S", "run.dir=runs/a", "train.steps=" + std::to_string(start)});
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_NE(o.err.find("data/S/p2.png: is another picture"), o.err.npos) << o.err;
  }
  EXPECT_EQ(read_text(run_ + "/views.json", 1 << 20), views) << "it says what the run began with";
  replace(scene_ + "/opencv_cameras.json", "\"fx\": 20", "\"fx\": 21");
  refuses(scene_, {run_ + "/views.json", "no longer those that the run began with", "cameras of scene 'S'"});
}

// Of several ranks one has looked at the pictures, which are smaller than their cameras say.
TEST_F(RunFolder, GoesOnElsewhereOnAnyNumberOfRanks) {
  std::string list = read_text(scene_ + "/opencv_cameras.json", 1 << 20);
  for (std::size_t at = 0; (at = list.find("{\"fx\"", at)) != list.npos; at += 20)
    list.insert(at + 1, "\"w\": 160, \"h\": 160, ");
  write_whole(scene_ + "/opencv_cameras.json", list);
  Words starter = on_ranks(2);
  starter[0] = (before_ / starter[0]).string();
  auto on = [&](const std::string& place, int steps) {
    return Process({"train", "tiny.yaml", "train.constant_lr=true", "train.accumulate=1", "data.path=" + place,
                    "run.dir=runs/a", "train.steps=" + std::to_string(steps)},
                   0, starter)
        .wait();
  };
  const Outcome first = on("../data/S", 2);
  EXPECT_EQ(first.status, 0) << first.err;
  fs::rename(scene_, folder_ / "data/T");
  const Outcome two = on("../data/T", 3);
  EXPECT_EQ(two.status, 0) << two.err;
  write_tiny_scene(folder_ / "data/U", 8, 1);
  write_whole(folder_ / "data/U/opencv_cameras.json", list);
  const Outcome other = on("../data/U", 4);
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.err.find("other scenes or views than those"), other.err.npos) << other.err;
  EXPECT_EQ(steps_done(run_), 3);
}

TEST_F(RunFolder, KnowsWhichOfItsScenesTrainedNothing) {
  write_tiny_scene(folder_ / "data/other/T", 8, 1);
  const std::string all = folder_ / "data/all.json", one = folder_ / "data/one.json";
  write_whole(all, R"(["S/opencv_cameras.json", "other/T/opencv_cameras.json"])");
  write_whole(one, R"(["other/T/opencv_cameras.json"])");
  const Outcome o = train({"data.path=" + all, "run.dir=runs/a", "train.steps=2", "data.held_out_scenes=[1]"});
  ASSERT_EQ(o.status, 0) << o.err;
  auto evaluated = [&](const std::string& path) {
    const Outcome e = run_lact({"eval", run_, "--json", "data.path=" + path});
    EXPECT_EQ(e.status, 0) << e.err;
    return Json::parse(e.out, "stdout");
  };
  EXPECT_TRUE(evaluated(one).has("eval_novel_psnr"));
  EXPECT_FALSE(evaluated(one).has("eval_psnr"));
  EXPECT_TRUE(evaluated(scene_).has("eval_psnr"));
  write_tiny_scene(folder_ / "data/other/T", 8, 2);  // of the same name
  const Outcome foreign = run_lact({"eval", run_, "data.path=" + one});
  EXPECT_EQ(foreign.status, 1);
  EXPECT_NE(foreign.err.find("no view is held out"), foreign.err.npos) << foreign.err;
}

TEST_F(RunFolder, ThatHasNoStepYetTakesRepairedDataButNoOthers) {
  trains("../data/S", 2);
  fs::remove_all(run_ + "/checkpoints");
  write_tiny_scene(folder_ / "data/T", 9);
  refuses(folder_ / "data/T", {"data.path="});
  write_tiny_scene(scene_, 9);
  trains("../data/S", 3);
}

TEST_F(RunFolder, AndItsDataMoveTogether) {
  trains("../data/S", 2);
  fs::create_directories(folder_ / "elsewhere");
  for (const std::string name : {"proj", "data"}) fs::rename(folder_ / name, folder_ / ("elsewhere/" + name));
  fs::current_path(before_);
  evaluates(folder_ / "elsewhere/proj/runs/a");
  fs::rename(folder_ / "elsewhere/data", folder_ / "data");
  fs::rename(folder_ / "elsewhere/proj/runs/a", folder_ / "b");
  evaluates(folder_ / "b");
  fs::rename(folder_ / "data/S", folder_ / "data/S2");
  const Outcome o = run_lact({"eval", folder_ / "b"});
  EXPECT_EQ(o.status, 1);
  EXPECT_NE(o.err.find(scene_ + ": no such file or folder"), std::string::npos) << o.err;
  EXPECT_NE(o.err.find("data.path=PLACE"), std::string::npos) << o.err;
  evaluates(folder_ / "b", {"data.path=" + folder_ / "data/S2"});
}

TEST_F(RunFolder, OfEarlierProgramsStillLoads) {
  trains("../data/S", 2);
  replace(run_ + "/config.yaml", "path: " + scene_, "path: ../data/S");  // as seen from where it was started
  replace(run_ + "/config.yaml", "dir: " + run_, "dir: runs/a");
  replace(run_ + "/config.yaml", "  damaged: skip\n", "");
  const std::string views = read_text(run_ + "/views.json", 1 << 20), key = ", \"fingerprint\": ";
  write_whole(run_ + "/views.json", views.substr(0, views.find(key)) + "}]\n");
  for (const std::string from : {"proj", "proj/sub"}) {
    fs::current_path(folder_ / from);
    evaluates(run_);
  }
  fs::current_path(folder_ / "proj");
  write_tiny_scene(folder_ / "data/T", 8);  // without fingerprints the folder's name counts
  refuses(folder_ / "data/T", {"data.path="});
  trains("../data/S", 3);
  EXPECT_NE(read_text(run_ + "/views.json", 1 << 20).find(key), std::string::npos);
}

TEST_F(RunFolder, MayHoldLogsBefore) {
  fs::create_directories(run_ + "/lost+found");
  fs::create_directories(run_ + "/images");
  fs::create_directories(run_ + "/logs");
  for (const std::string name : {"train.log", ".gitkeep", ".nfs0001", "slurm-12.out", "12.err", "job.o123", "nohup.out",
                                 "train.log.1", "logs/0", "config.yaml.partial"})
    write_whole(run_ + "/" + name, "said");
  trains("../data/S", 2);
  EXPECT_EQ(read_text(run_ + "/train.log", 99), "said");
}

TEST_F(RunFolder, WhoseOtherFilesWouldBeMixedUpIsRefusedWithTheirName) {
  for (const std::string name : {"metrics.jsonl", "views.json", "notes.txt", "checkpoints/step_00000001.h5",
                                 "events.out.tfevents.1.host", "images/a.png", "model.safetensors"}) {
    fs::remove_all(run_);
    fs::create_directories(fs::path(run_ + "/" + name).parent_path());
    write_whole(run_ + "/" + name, "mine");
    refuses(scene_, {"run.dir=" + run_, run_ + "/" + name.substr(0, name.find('/'))});
  }
}

TEST_F(RunFolder, HasTheNameThatWasTyped) {
  const std::string name = "a #2 [x] {y}: '%p' & *!\nline";
  setenv("HOME", folder_.path().c_str(), 1);
  fs::rename(scene_, folder_ / "data/" + name);
  const Outcome o = train({"data.path=~/data/" + name, "run.dir=~/" + name, "train.steps=2"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(train({"data.path=" + folder_ / "data/" + name, "run.dir=" + folder_ / name, "train.steps=3"}).status, 0);
  EXPECT_EQ(steps_done(folder_ / name), 3);
  EXPECT_FALSE(fs::exists("~"));
  EXPECT_EQ(run_lact({"render", folder_ / name, "out=~/pictures", "scene=~/data/" + name}).status, 0);
  EXPECT_FALSE(fs::is_empty(folder_ / "pictures"));
}

}  // namespace
}  // namespace lact
