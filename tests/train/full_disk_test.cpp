// A disk that is full while something is saved: one sentence names the file, what was there before stays, and the run
// goes on when there is room.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "run/checkpoint.hpp"
#include "support/command.hpp"
#include "support/hdf5_leaks.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class FullDisk : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string config_ = folder_.write("tiny.yaml", tiny_config());

  Outcome train(const std::string& run, const Words& more, std::int64_t largest_file = 0) const {
    Words all = {"train", config_, "run.dir=" + run, "train.constant_lr=true"};
    all.insert(all.end(), more.begin(), more.end());
    return run_lact(all, largest_file);
  }
};

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n'), begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - begin);
}

void expect_one_error_naming(const Outcome& o, const std::string& path) {
  EXPECT_EQ(o.status, 1) << o.err;
  const std::string line = last_line(o.err);
  EXPECT_EQ(line.rfind("lact: ", 0), 0u) << o.err;
  EXPECT_NE(line.find(path), std::string::npos) << o.err;
}

void expect_nothing_half_written(const std::string& folder) {
  for (const auto& [path, bytes] : contents_of(folder)) EXPECT_FALSE(path.ends_with(".partial")) << path;
}

TEST_F(FullDisk, LosesNothingThatWasSaved) {
  const std::string run = folder_ / "run", whole = folder_ / "whole";
  ASSERT_EQ(train(run, {"train.steps=5"}).status, 0);
  const auto five = numbers_in(checkpoint_path(run, 5));
  const auto size = std::int64_t(fs::file_size(checkpoint_path(run, 5)));
  // The checkpoint is the largest file of the run, so these limits end somewhere within it.
  for (std::int64_t limit : {size / 8, size / 3, size / 2, size * 9 / 10, size - 1}) {
    expect_one_error_naming(train(run, {}, limit), checkpoint_path(run, 12));
    EXPECT_EQ(newest_checkpoint(run), checkpoint_path(run, 5));
    EXPECT_TRUE(numbers_in(checkpoint_path(run, 5)) == five);
    expect_nothing_half_written(run);
  }
  // Where not even a row of the metrics or the config fits.
  expect_one_error_naming(train(run, {}, 4000), run + "/");
  expect_one_error_naming(train(run, {}, 100), run + "/");
  EXPECT_TRUE(numbers_in(newest_checkpoint(run)) == five);

  ASSERT_EQ(train(run, {}).status, 0);
  ASSERT_EQ(train(whole, {}).status, 0);
  EXPECT_TRUE(numbers_in(checkpoint_path(run, 12)) == numbers_in(checkpoint_path(whole, 12)));
  EXPECT_EQ(training_rows(run).size(), 12u);
}

TEST_F(FullDisk, AConversionLeavesTheOldFile) {
  const std::string run = folder_ / "run", out = folder_.write("weights.safetensors", "old");
  ASSERT_EQ(train(run, {}).status, 0);
  expect_one_error_naming(run_lact({"convert", "weights", run, out}, 20000), out);
  EXPECT_EQ(folder_.read("weights.safetensors"), "old");
  ASSERT_EQ(run_lact({"convert", "weights", run, out}).status, 0);
  const std::string model = folder_.write("model.yaml", tiny_model()), other = folder_ / "new";
  expect_one_error_naming(
      run_lact({"convert", "weights", out, other, "model.file=" + model, "data.image_size=[16, 16]"}, 20000), other);
  expect_nothing_half_written(folder_.path());
  expect_one_error_naming(run_lact({"render", run, "out=" + folder_ / "pictures"}, 2000), folder_ / "pictures");
}

// A real small disk, where this machine lets us make one: needs a mount of our own, which a plain user may not have.
class SmallDisk {
 public:
  SmallDisk(const std::string& place, std::int64_t bytes) : place_(place) {
    fs::create_directories(place);
    const std::string size = "size=" + std::to_string(bytes);
    made_ = unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
            mount("tmpfs", place.c_str(), "tmpfs", 0, size.c_str()) == 0;
  }
  ~SmallDisk() {
    if (made_) umount2(place_.c_str(), MNT_DETACH);
  }
  bool made() const { return made_; }

 private:
  std::string place_;
  bool made_ = false;
};

TEST_F(FullDisk, ARealOneThatFillsUp) {
  const std::string place = folder_ / "disk", run = place + "/run", filler = place + "/filler";
  const SmallDisk disk(place, 2 << 20);
  if (!disk.made()) return;  // the limits above stand for it
  ASSERT_EQ(train(run, {"train.steps=5"}).status, 0);
  const auto five = numbers_in(checkpoint_path(run, 5));
  std::ofstream(filler) << std::string((2 << 20) - fs::file_size(checkpoint_path(run, 5)) - 200000, 'x');
  expect_one_error_naming(train(run, {}), checkpoint_path(run, 12));
  EXPECT_TRUE(numbers_in(newest_checkpoint(run)) == five);
  expect_nothing_half_written(run);
  fs::remove(filler);
  EXPECT_EQ(train(run, {}).status, 0);
  EXPECT_EQ(steps_done(run), 12);
}

}  // namespace
}  // namespace lact
