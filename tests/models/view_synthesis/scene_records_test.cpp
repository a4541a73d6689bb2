// Scenes are known again by what lies in their files, whoever has read which of them and whatever their folders are
// called.
#include "models/view_synthesis/scene_records.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "data/views/open_views.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_scene.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

class RunViews : public testing::Test {
 protected:
  static constexpr int views = 4;
  TemporaryFolder folder_;
  DataConfig config_{.image_size = {16, 16}, .num_all_views = 2, .num_input_views = 1, .num_target_views = 1};

  void scene(const std::string& name, int shade = 0) const { write_tiny_scene(folder_ / name, views, shade); }
  void replace(const std::string& name, const std::string& from, const std::string& to) const {
    std::string text = folder_.read(name);
    ASSERT_NE(text.find(from), text.npos) << text;
    for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
      text.replace(at, from.size(), to);
    folder_.write(name, text);
  }
  std::string index(const std::vector<std::string>& scenes) const {
    std::string list;
    for (const std::string& s : scenes) list += (list.empty() ? "[\"" : ", \"") + s + "/opencv_cameras.json\"";
    return folder_.write("index.json", list + "]");
  }
  std::unique_ptr<WatchedViews> opened(const std::string& path, bool looks = true) {
    config_.path = path;
    return open_views(config_, looks);
  }
  std::vector<SceneRecord> recorded(const std::string& path) {
    const auto source = opened(path);
    const auto records = scene_records(*source, config_, training_views(*source, config_));
    fs::create_directories(folder_ / "run");
    folder_.write("run/views.json", text_of(records));
    return *records_in(folder_ / "run");
  }
  std::vector<std::int64_t> known(const std::vector<SceneRecord>& records, const std::string& path) {
    return known_scenes(records, *opened(path));
  }
  using Known = std::vector<std::int64_t>;
};

TEST_F(RunViews, AreTheSameWhoeverHasLookedAtThePictures) {
  scene("S");
  replace("S/opencv_cameras.json", "\"fx\"", "\"w\": 160, \"h\": 160, \"fx\"");  // the pictures were made smaller
  const auto records = recorded(folder_ / "S");
  for (const bool looks : {false, true}) {
    const auto source = opened(folder_ / "S", looks);
    for (int v = 0; looks && v < views; ++v) source->load(0, v, 16, 16);
    EXPECT_TRUE(is_like(records[0], *source, 0)) << looks;
    EXPECT_EQ(contents_of(records[0], *source, 0), Contents::same);
  }
}

TEST_F(RunViews, SomeOfThemInAnyOrderAreKnownAndOthersAreNot) {
  for (int i = 0; i < 3; ++i) scene("s" + std::to_string(i), i);
  config_.held_out_scenes = {2};
  const auto records = recorded(index({"s0", "s1", "s2"}));
  EXPECT_TRUE(records[2].train.empty());
  config_.held_out_scenes = {};
  EXPECT_EQ(known(records, index({"s2", "s0"})), (Known{2, 0}));
  fs::rename(folder_ / "s2", folder_ / "other");
  EXPECT_EQ(known(records, index({"other", "s1"})), (Known{2, 1}));
  scene("s2", 9);  // the name, cameras and names of pictures are those of the run
  EXPECT_EQ(known(records, index({"s2", "s1"})), (Known{-1, 1}));
  replace("s1/opencv_cameras.json", "\"cx\": 8", "\"cx\": 7");
  EXPECT_EQ(known(records, index({"s1", "s0"})), (Known{-1, 0}));
}

TEST_F(RunViews, WithoutFingerprintsNamesCount) {
  scene("s0"), scene("s1", 1);
  auto records = recorded(index({"s0", "s1"}));
  for (SceneRecord& r : records) r.cameras.clear(), r.contents.clear();
  fs::rename(folder_ / "s1", folder_ / "s2");
  EXPECT_EQ(known(records, index({"s2", "s0"})), (Known{-1, 0}));
}

TEST_F(RunViews, ScenesOfOneRigWithoutAPictureThatWasReadAreToldByTheirNames) {
  scene("s0"), scene("s1", 1);
  auto records = recorded(index({"s0", "s1"}));
  for (SceneRecord& r : records) r.contents.clear();
  EXPECT_EQ(known(records, index({"s1", "s0"})), (Known{1, 0}));
  fs::rename(folder_ / "s1", folder_ / "s2");
  EXPECT_EQ(known(records, index({"s2", "s0"})), (Known{-1, 0}));
}

TEST_F(RunViews, WhatCannotBeReadIsLeftOut) {
  scene("S");
  const std::string picture = folder_.read("S/p1.png");
  folder_.write("S/p1.png", picture.substr(0, 300));
  const auto records = recorded(folder_ / "S");
  EXPECT_EQ(records[0].contents.size(), 3u);
  EXPECT_FALSE(records[0].contents.contains(1));
  folder_.write("S/p1.png", picture);  // repaired
  folder_.write("S/p2.png", "");
  EXPECT_EQ(known(records, folder_ / "S"), (Known{0}));
  folder_.write("S/p3.png", tiny_picture(3, 1));
  std::string changed;
  EXPECT_EQ(contents_of(records[0], *opened(folder_ / "S"), 0, &changed), Contents::changed);
  EXPECT_EQ(changed, folder_ / "S/p3.png");
}

TEST_F(RunViews, APictureOutsideTheFolderIsNotRead) {
  scene("S");
  folder_.write("secret.png", tiny_picture(1));
  fs::remove(folder_ / "S/p1.png");
  fs::create_symlink("../secret.png", folder_ / "S/p1.png");
  const auto source = opened(folder_ / "S", false);
  const auto records = scene_records(*source, config_, training_views(*source, config_));
  EXPECT_EQ(records[0].contents.size(), 3u);
  EXPECT_FALSE(records[0].contents.contains(1));
}

TEST_F(RunViews, OfADamagedFileAreRefused) {
  fs::create_directories(folder_ / "run");
  for (const std::string text :
       {R"([{"scene": "a", "train": [0], "held_out": [], "fingerprint": {"cameras": "x", "pictures": {"-1": "y"}}}])",
        R"([{"scene": "a", "train": [0], "held_out": [], "fingerprint": {"pictures": {}}}])", R"([{"scene": "a"}])",
        R"({})"}) {
    folder_.write("run/views.json", text);
    EXPECT_NE(sentence_of([&] { records_in(folder_ / "run"); }).find("views.json: "), std::string::npos) << text;
  }
  EXPECT_FALSE(records_in(folder_ / "none"));
}

}  // namespace
}  // namespace lact
