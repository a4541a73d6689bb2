#include "data/views/scene_folder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "base/clock.hpp"
#include "data/views/watched_views.hpp"
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
    return sentence_of([&] {
      const WatchedViews scenes(std::make_unique<SceneFolder>(folder / path));
      look_at_some(scenes);
      for (const std::string& damaged : scenes.damaged()) fail("{}", damaged);
    });
  }
  std::string error_for_index(const std::string& path) {
    folder.write("data/index.json", "[\"" + path + "\"]");
    return error_for("data/index.json");
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

TEST_F(Scenes, CamerasOfAnotherSizeAreScaledAndSaidOnce) {
  make_scene("a", 10);
  auto sized = [](std::string text) { return text.replace(text.find("\"h\": 2"), 6, "\"h\": 200"); };
  folder.write("a/opencv_cameras.json", "[" + sized(camera_text("pictures/0.png", 0, "400")) + ", " +
                                            sized(camera_text("pictures/1.png", 0, "400")) + "]");
  testing::internal::CaptureStderr();
  const WatchedViews scenes(std::make_unique<SceneFolder>(folder / "a"));
  look_at_some(scenes);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("pictures/0.png is 4 x 2, but its camera says 400 x 200: fx, fy, cx and cy are scaled to the "
                      "picture, as for 2 of 2 pictures"),
            said.npos)
      << said;
  EXPECT_EQ(scenes.camera(0, 0).width, 400) << "as listed, whoever looked at the picture";
  EXPECT_EQ(scenes.looked_at(0, 0).width, 4);
  for (int again = 0; again < 2; ++again) EXPECT_NEAR(scenes.load(0, 0, 2, 4).intrinsics[0], 0.06, 1e-7);
  folder.write("a/opencv_cameras.json", "[" + camera_text("pictures/0.png", 0, "400") + "]");
  EXPECT_EQ(error_for("a"), folder / "a/pictures/0.png: is 4 x 2, but its camera says 400 x 2, which is another shape");
}

// Each was sought among all others, by every number in turn: more than a minute for so many.
TEST_F(Scenes, ManyScenesOfOneNameCostWhatTheirNumberCosts) {
  make_scene("a/s", 10);
  constexpr int few = 500, many = 5000;
  auto index_of = [&](int n) {
    std::string index = "[";
    for (int i = 0; i < n; ++i) index += R"("a/s/opencv_cameras.json")" + std::string(i + 1 < n ? ", " : "]");
    return folder.write("index" + std::to_string(n) + ".json", index);
  };
  auto seconds_of = [&](int n) {  // of the processor: others on the machine do not count
    const double begin = processor_seconds();
    const SceneFolder scenes(index_of(n));
    return processor_seconds() - begin;
  };
  const double of_few = seconds_of(few);
  EXPECT_LT(seconds_of(many), 3 * many / few * of_few) << "a search among all names would take 100 times as long";
  const SceneFolder scenes(index_of(many));
  EXPECT_EQ(scenes.scene_name(0), "s");
  EXPECT_EQ(scenes.scene_name(many - 1), "s_" + std::to_string(many));
  EXPECT_EQ(scenes.scene_title(many - 1), "scene 's_5000' (" + (folder / "a/s)"));
  EXPECT_EQ(scenes.load(many - 1, 1, 2, 2).rgb[0], 11 / 255.0f);
}

TEST_F(Scenes, ANumberThatIsANameIsPassedOver) {
  make_scene("a/s", 10), make_scene("b/s", 20), make_scene("s_2", 30), make_scene("c/s", 40);
  folder.write("index.json", R"(["a/s/opencv_cameras.json", "s_2/opencv_cameras.json", "b/s/opencv_cameras.json",
                                 "c/s/opencv_cameras.json"])");
  const SceneFolder scenes(folder / "index.json");
  EXPECT_EQ(scenes.scene_name(2), "s_3");
  EXPECT_EQ(scenes.scene_name(3), "s_4");
}

TEST_F(Scenes, LinksThatLeaveASceneAreFollowedOnlyWhereAskedFor) {
  namespace fs = std::filesystem;
  make_scene("a", 10), make_scene("other", 20);
  fs::create_directory_symlink(folder / "a", folder / "linked");  // a folder of the user, wherever it lies
  EXPECT_EQ(SceneFolder(folder / "linked").load(0, 0, 2, 2).rgb[0], 10 / 255.0f);
  folder.write("index.json", R"(["linked/opencv_cameras.json"])");
  EXPECT_EQ(error_for("index.json"), "no error");
  fs::rename(folder / "a/pictures/0.png", folder / "a/0.png");
  fs::create_symlink("../0.png", folder / "a/pictures/0.png");  // stays inside
  EXPECT_EQ(error_for("a"), "no error");
  auto expect_left = [&](const std::string& link, const std::string& to) {
    EXPECT_EQ(error_for("a"), (folder / link) + ": leads out of the scene's folder through a link, to " +
                                  fs::canonical(folder / to).string() +
                                  "; data.follow_links=true (lact inspect --follow-links) allows it");
    EXPECT_EQ(SceneFolder(folder / "a", 1 << 20, true).load(0, 0, 2, 2).rgb[0], 20 / 255.0f);
    const SceneFolder unseen(folder / "a");
    if (link.ends_with(".png")) {
      EXPECT_NE(sentence_of([&] { unseen.load(0, 0, 2, 2); }), "no error");
    }
  };
  fs::remove(folder / "a/pictures/0.png");
  fs::create_symlink("../../other/pictures/0.png", folder / "a/pictures/0.png");
  expect_left("a/pictures/0.png", "other/pictures/0.png");
  fs::remove_all(folder / "a/pictures");
  fs::create_directory_symlink("../other/pictures", folder / "a/pictures");
  expect_left("a/pictures/0.png", "other/pictures/0.png");
}

TEST_F(Scenes, AnIndexStaysInItsFolder) {
  make_scene("a", 10), make_scene("data/b", 20);
  for (const std::string path : {"../a/opencv_cameras.json", "../data/../a/opencv_cameras.json"})
    EXPECT_EQ(error_for_index(path), folder / "data/index.json: [0] is '" + path +
                                         "', which leaves the dataset folder; paths are relative to " +
                                         (folder / "data/index.json"));
  EXPECT_EQ(error_for_index(folder / "data/b/opencv_cameras.json"), "no error");
  EXPECT_EQ(error_for_index("../data/b/opencv_cameras.json"), "no error");
  EXPECT_EQ(error_for_index("b/opencv_cameras.json\\u0000more"), folder / "data/index.json: [0] is not a path");
}

TEST_F(Scenes, PicturesAreCheckedWhenLoaded) {
  make_scene("a", 10);
  folder.write("a/pictures/1.png", "");
  const SceneFolder scenes(folder / "a");
  EXPECT_EQ(scenes.load(0, 0, 2, 2).rgb.size(), 12u);
  EXPECT_EQ(sentence_of([&] { scenes.load(0, 1, 2, 2); }), folder / "a/pictures/1.png: the file is empty");
}

TEST_F(Scenes, AFileOfAnotherKindIsNamedByItsFirstBytes) {
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {TinyPng{.width = 1, .height = 1, .rows = {"abc"}}.bytes(), "is a PNG picture"},
      {"PK\3\4" + std::string(26, 'x') + "m/data.pkl",
       "is a file of torch.save; tools/pt_to_safetensors.py makes safetensors of it"},
      {"\x80\2}q", "is a pickle of Python, as old versions of torch.save wrote it"},
      {"\x89HDF\r\n\x1a\n", "is an HDF5 file"},
      {std::string(512, 'u') + "\x89HDF\r\n\x1a\n", "is an HDF5 file"},
      {std::string("\2\0\0\0\0\0\0\0{}", 10), "is a safetensors file"}};
  for (const auto& [bytes, words] : kinds) {
    const std::string path = folder.write("x.json", bytes);
    EXPECT_TRUE(error_for("x.json").starts_with(path + ": " + words)) << error_for("x.json");
    EXPECT_NE(error_for("x.json").find("; data.path takes "), std::string::npos);
  }
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
  const PictureCache::Picture ten{{1, 1, 3, std::vector<std::uint8_t>(10, 7)}, {}},
      huge{{1, 1, 3, std::vector<std::uint8_t>(26)}, {}};
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
