#include "data/scene_folder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "support/temporary_folder.hpp"
#include "support/tiny_png.hpp"

namespace lact {
namespace {

std::string camera_text(const std::string& picture, double x = 0, const std::string& w = "4") {
  return R"({"w": )" + w + R"(, "h": 2, "fx": 6, "fy": 5, "cx": 2, "cy": 1, "w2c": [[1, 0, 0, )" + std::to_string(x) +
         R"(], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "file_path": ")" + picture + "\"}";
}

class Scenes : public testing::Test {
 protected:
  // `name`/opencv_cameras.json with two pictures of 4 x 2, of one grey each.
  void make_scene(const std::string& name, int grey) {
    std::filesystem::create_directories(folder / (name + "/pictures"));
    for (int i : {0, 1})
      write_png(folder / (name + "/pictures/" + std::to_string(i) + ".png"),
                {4, 2, 3, std::vector<std::uint8_t>(24, std::uint8_t(grey + i))});
    folder.write(name + "/opencv_cameras.json",
                 "[" + camera_text("pictures/0.png") + ", " + camera_text("pictures/1.png", 3) + "]");
  }
  std::string error_for(const std::string& path) {
    return sentence_of([&] { SceneFolder scenes(folder / path); });
  }
  TemporaryFolder folder;
};

TEST_F(Scenes, FolderCameraFileAndIndexGiveTheSame) {
  make_scene("a", 10), make_scene("b", 20);
  folder.write("index.json", R"(["b/opencv_cameras.json", "a/opencv_cameras.json"])");
  const SceneFolder from_folder(folder / "a"), from_file(folder / "a/opencv_cameras.json"),
      from_index(folder / "index.json");
  EXPECT_EQ(from_folder.scenes(), 1);
  EXPECT_EQ(from_index.scenes(), 2);
  EXPECT_EQ(from_index.scene_name(0), "b");
  EXPECT_EQ(from_folder.scene_name(0), "a");
  EXPECT_EQ(from_file.views(0), 2);
  EXPECT_EQ(from_file.load(0, 1, 2, 2).rgb, std::vector<float>(12, 11 / 255.0f));
  EXPECT_EQ(from_index.load(0, 0, 2, 2).rgb, std::vector<float>(12, 20 / 255.0f));
  EXPECT_EQ(from_index.load(1, 1, 2, 2).rgb, from_folder.load(0, 1, 2, 2).rgb);
}

TEST_F(Scenes, ScenesOfOneNameAreNumbered) {
  make_scene("a/s", 10), make_scene("b/s", 20);
  folder.write("index.json", R"(["a/s/opencv_cameras.json", "b/s/opencv_cameras.json"])");
  const SceneFolder scenes(folder / "index.json");
  EXPECT_EQ(scenes.scene_name(0), "s");
  EXPECT_EQ(scenes.scene_name(1), "s_2");
}

TEST_F(Scenes, IntrinsicsFollowScaleAndCrop) {
  make_scene("a", 10);
  const PosedView view =
      SceneFolder(folder / "a").load(0, 1, 4, 3);  // scaled to 8 x 4, two columns cut off at the left
  EXPECT_EQ(view.intrinsics, (std::array<float, 4>{12, 10, 2, 2}));
  EXPECT_EQ(view.c2w[3], -3);
}

TEST_F(Scenes, ThePictureDecidesItsSize) {
  make_scene("a", 10);
  folder.write("a/opencv_cameras.json", "[" + camera_text("pictures/0.png", 0, "400") + "]");
  testing::internal::CaptureStderr();
  const SceneFolder scenes(folder / "a");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("is 4 x 2, but its camera says 400 x 2"), std::string::npos);
  EXPECT_EQ(scenes.camera(0, 0).width, 4);
  EXPECT_EQ(scenes.load(0, 0, 2, 2).intrinsics[0], 6);
}

TEST_F(Scenes, BadInputIsRefusedAtOpening) {
  const std::string formats =
      "data.path takes a scene folder with opencv_cameras.json, such a camera file, or an index (a JSON list of camera "
      "files)";
  EXPECT_EQ(error_for("none"), folder / "none: no such file or folder; " + formats);
  std::filesystem::create_directories(folder / "empty");
  EXPECT_EQ(error_for("empty"), folder / "empty: this folder has no opencv_cameras.json; " + formats);
  folder.write("x.json", "{}");
  EXPECT_EQ(error_for("x.json"), folder / "x.json: neither a camera file nor an index; " + formats);
  folder.write("x.json", "[]");
  EXPECT_EQ(error_for("x.json"), folder / "x.json: the list is empty");
  folder.write("x.json", R"(["none.json"])");
  EXPECT_EQ(error_for("x.json"), folder / "none.json: no such camera file, named by " + (folder / "x.json: [0]"));
  folder.write("x.json", R"([""])");
  EXPECT_EQ(error_for("x.json"), folder / "x.json: [0] is empty");
  make_scene("a", 10);
  folder.write("x.json", R"(["a/opencv_cameras.json", 3])");
  EXPECT_NE(error_for("x.json").find("x.json: [1] wants"), std::string::npos);
  folder.write("a/pictures/1.png", "");
  EXPECT_EQ(error_for("a"), folder / "a/pictures/1.png: the file is empty");
  folder.write("a/pictures/1.png", TinyPng{.width = 70000, .height = 3}.bytes());
  EXPECT_NE(error_for("a").find("a/pictures/1.png: a picture of 70000 x 3 is larger"), std::string::npos);
  std::filesystem::remove(folder / "a/pictures/1.png");
  EXPECT_EQ(error_for("a"), folder / "a/pictures/1.png: no such picture");
  const std::string whole = folder.read("a/pictures/0.png");
  for (std::size_t missing : {1u, 12u, 25u}) {
    folder.write("a/pictures/1.png", whole.substr(0, whole.size() - missing));
    EXPECT_TRUE(error_for("a").starts_with(folder / "a/pictures/1.png: the PNG is cut off or damaged")) << missing;
  }
  folder.write("a/pictures/1.png", whole + "appended");
  EXPECT_EQ(error_for("a"), "no error");
}

TEST_F(Scenes, DamageBehindTheHeaderShowsWhenDecoded) {
  make_scene("a", 10);
  std::string bytes = folder.read("a/pictures/1.png");
  bytes[bytes.size() - 20] = char(bytes[bytes.size() - 20] ^ 1);  // the end itself, which is looked at, stays whole
  const std::string path = folder.write("a/pictures/1.png", bytes);
  const SceneFolder scenes(folder / "a");
  EXPECT_EQ(scenes.load(0, 0, 2, 2).rgb.size(), 12u);
  EXPECT_NE(sentence_of([&] { scenes.load(0, 1, 2, 2); }).find(path + ": the PNG is cut off or damaged"),
            std::string::npos);
  EXPECT_NE(sentence_of([&] { scenes.load(0, 2, 2, 2); }), "no error");
  EXPECT_NE(sentence_of([&] { scenes.load(1, 0, 2, 2); }), "no error");
}

TEST_F(Scenes, APictureIsDecodedOnceAndThreadsAgree) {
  make_scene("a", 10);
  const SceneFolder scenes(folder / "a");
  const auto first = scenes.load(0, 0, 3, 3).rgb;
  std::filesystem::remove(folder / "a/pictures/0.png");
  EXPECT_EQ(scenes.load(0, 0, 3, 3).rgb, first);
  EXPECT_NE(sentence_of([&] { scenes.load(0, 0, 4, 4); }), "no error");
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) EXPECT_EQ(scenes.load(0, 1, 1 + (i + t) % 7, 2).rgb[0], 11 / 255.0f);
    });
}

TEST(PictureCache, DropsWhatWasNotUsedLongest) {
  PictureCache cache(25);
  const Image ten{1, 1, 3, std::vector<std::uint8_t>(10, 7)}, huge{1, 1, 3, std::vector<std::uint8_t>(26)};
  cache.keep({0, 0, 1, 1}, ten), cache.keep({0, 1, 1, 1}, ten), cache.keep({0, 1, 1, 1}, ten);
  EXPECT_EQ(cache.bytes(), 20);
  EXPECT_TRUE(cache.find({0, 0, 1, 1}));
  cache.keep({0, 2, 1, 1}, ten);
  EXPECT_EQ(cache.bytes(), 20);
  EXPECT_TRUE(cache.find({0, 0, 1, 1}));
  EXPECT_FALSE(cache.find({0, 1, 1, 1}));
  EXPECT_FALSE(cache.find({0, 2, 1, 2}));
  cache.keep({0, 3, 1, 1}, huge);
  EXPECT_FALSE(cache.find({0, 3, 1, 1}));
}

}  // namespace
}  // namespace lact
