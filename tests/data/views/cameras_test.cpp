#include "data/views/cameras.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/views/scene_folder.hpp"
#include "files/json.hpp"
#include "files/safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

const std::string good = R"({"w": 8, "h": 6, "fx": 9.5, "fy": 9, "cx": 4, "cy": 3,
  "w2c": [[0, 1, 0, 0.5], [0, 0, -1, 0], [-1, 0, 0, 2], [0, 0, 0, 1]], "file_path": "images/0.png"})";

std::string with(const std::string& from, const std::string& to) {
  std::string text = good;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return "[" + good + ", " + text.replace(at, from.size(), to) + "]";
}

// The sentence without the path in front.
std::string error_for(const std::string& text) {
  TemporaryFolder folder;
  folder.write("c.json", text);
  const std::string e = sentence_of([&] { load_cameras(folder / "c.json"); });
  EXPECT_EQ(e.find(folder / "c.json: "), 0u) << e;
  return e.substr(std::min(e.size(), (folder / "c.json: ").size()));
}

TEST(Cameras, AreReadAndInverted) {
  TemporaryFolder folder;
  folder.write("c.json", "[" + good + "]");
  const Camera c = load_cameras(folder / "c.json").at(0);
  EXPECT_EQ(c.fx, 9.5);
  EXPECT_EQ(c.fy, 9);
  EXPECT_EQ(c.cx, 4);
  EXPECT_EQ(c.cy, 3);
  EXPECT_EQ(c.width, 8);
  EXPECT_EQ(c.height, 6);
  EXPECT_EQ(c.image, folder / "images/0.png");
  EXPECT_EQ(c.c2w, (Pose{0, 0, -1, 2, 1, 0, 0, -0.5, 0, -1, 0, 0, 0, 0, 0, 1}));
}

TEST(Cameras, SizesMayBeMissing) {
  TemporaryFolder folder;
  folder.write("c.json", with("\"w\": 8, \"h\": 6, ", ""));
  EXPECT_EQ(load_cameras(folder / "c.json").at(1).width, 0);
}

TEST(Cameras, BadInputNamesFileEntryAndKey) {
  EXPECT_EQ(error_for("[]"), "the camera list is empty");
  EXPECT_EQ(error_for("{}"), "a camera list is a JSON list with one object per picture");
  EXPECT_EQ(error_for(with("\"fx\": 9.5", "\"fz\": 9.5")), "[1].fx is missing");
  EXPECT_EQ(error_for(with("\"fx\": 9.5", "\"fx\": 0")), "[1].fx is 0; a focal length is positive");
  EXPECT_EQ(error_for(with("\"fy\": 9", "\"fy\": -3")), "[1].fy is -3; a focal length is positive");
  EXPECT_EQ(error_for(with("\"fx\": 9.5", "\"fx\": 1e-60")), "[1].fx is 1e-60; a focal length is positive");
  EXPECT_EQ(error_for(with("\"cy\": 3", "\"cy\": 1e60")), "[1].cy is 1e+60, beyond a 32-bit float");
  EXPECT_EQ(error_for(with("\"w\": 8", "\"w\": 8.5")), "[1].w is 8.5, not a number of pixels");
  EXPECT_EQ(error_for(with("\"h\": 6", "\"h\": 0")), "[1].h is 0, not a number of pixels");
  EXPECT_EQ(error_for(with(", [0, 0, 0, 1]", "")), "[1].w2c has 3 rows instead of 4");
  EXPECT_EQ(error_for(with("[0, 0, -1, 0]", "[0, 0, -1]")), "[1].w2c[1] has 3 numbers instead of 4");
  EXPECT_EQ(error_for(with("[0, 0, 0, 1]", "[0, 0, 0, 2]")), "[1].w2c[3][3] is 2; the last row of a pose is 0 0 0 1");
  EXPECT_EQ(error_for(with("[0, 0, 0, 1]", "[0.1, 0, 0, 1]")),
            "[1].w2c[3][0] is 0.1; the last row of a pose is 0 0 0 1");
  EXPECT_EQ(error_for(with("[0, 0, -1, 0]", "[0, 0, 0, 0]")), "[1].w2c has no inverse");
  EXPECT_EQ(error_for(with("[0, 0, -1, 0]", "[-1, 1e-9, 0, 0]")), "[1].w2c has no inverse");
  EXPECT_EQ(error_for(with("[0, 1, 0, 0.5], [0, 0, -1, 0], [-1, 0, 0, 2]", "[1, 2, 3, 0], [4, 5, 6, 0], [7, 8, 9, 0]")),
            "[1].w2c has no inverse");
  for (std::string path : {"/etc/0.png", "../0.png", "images/../../0.png", "./..", "/", ".."}) {
    const std::string e = error_for(with("images/0.png", path));
    EXPECT_TRUE(
        e.starts_with("[1].file_path is '" + path + "', which leaves the dataset folder; paths are relative to "));
    EXPECT_TRUE(e.ends_with("/c.json"));
  }
  EXPECT_EQ(error_for(with("images/0.png", "")), "[1].file_path is not a path");
  EXPECT_EQ(error_for(with("images/0.png", "a\\u0000b")), "[1].file_path is not a path");
}

TEST(Cameras, PathsThatEndInsideTheFolderAreRead) {
  TemporaryFolder folder;
  const std::string name = std::filesystem::path(folder.path()).filename().string(), picture = folder / "images/0.png";
  std::filesystem::create_directory_symlink(folder.path(), folder.path() + "-too");
  for (const std::string& path :
       std::vector<std::string>{picture, "../" + name + "/images/0.png", folder.path() + "/x/../images/0.png",
                                "images/../images/0.png", folder.path() + "-too/images/0.png"}) {
    folder.write("c.json", with("images/0.png", path));
    EXPECT_EQ(load_cameras(folder / "c.json").at(1).image, picture) << path;
  }
  std::filesystem::remove(folder.path() + "-too");
}

TEST(Cameras, PosesTurnAndMayScale) {
  const std::string rows = "[0, 1, 0, 0.5], [0, 0, -1, 0], [-1, 0, 0, 2]";
  for (const std::string right :
       {"[0, 3, 0, 0.5], [0, 0, -3, 0], [-3, 0, 0, 2]", "[0.004, 1, 0, 0.5], [0, 0, -1, 0], [-1, 0, 0, 2]"})
    EXPECT_EQ(sentence_of([&] {
                TemporaryFolder folder;
                load_cameras(folder.write("c.json", with(rows, right)));
              }),
              "no error");
  for (const std::string mirrored :
       {"[0, -1, 0, 0.5], [0, 0, -1, 0], [-1, 0, 0, 2]", "[0, -1, 0, 0.5], [0, 0, 1, 0], [1, 0, 0, 2]",
        "[0, 2, 0, 0.5], [0, 0, 2, 0], [-2, 0, 0, 2]"})
    EXPECT_TRUE(error_for(with(rows, mirrored)).starts_with("[1].w2c mirrors (its determinant is -")) << mirrored;
  for (const std::string sheared :
       {"[0, 1, 0, 0.5], [0, 0.3, -1, 0], [-1, 0, 0, 2]", "[0, 1, 0, 0.5], [0, 0, -2, 0], [-1, 0, 0, 2]"})
    EXPECT_TRUE(error_for(with(rows, sheared)).starts_with("[1].w2c shears or squeezes (")) << sheared;
}

TEST(Cameras, ALensThatBendsIsRefused) {
  auto keys = [](const std::string& more) { return with("\"w\": 8", more + ", \"w\": 8"); };
  const std::string end = ": the lens is not that of a pinhole, and pictures must be undistorted";
  EXPECT_EQ(error_for(keys(R"("k1": -0.28)")), "[1].k1 is -0.28" + end);
  EXPECT_EQ(error_for(keys(R"("p2": 1e-3)")), "[1].p2 is 0.001" + end);
  EXPECT_EQ(error_for(keys(R"("distortion": [0, 0.1])")), "[1].distortion[1] is 0.1" + end);
  EXPECT_EQ(error_for(keys(R"("camera_model": "OPENCV_FISHEYE")")), "[1].camera_model is OPENCV_FISHEYE" + end);
  for (const std::string none :
       {R"("k1": 0, "k2": 0.0, "camera_model": "OPENCV")", R"("k1": null, "distortion": [])"}) {
    TemporaryFolder folder;
    EXPECT_EQ(load_cameras(folder.write("c.json", keys(none))).size(), 2u);
  }
}

TEST(Cameras, IntrinsicsHoldForTheSizeThatTheListSays) {
  const Camera listed{.fx = 100, .fy = 90, .cx = 64, .cy = 48, .width = 128, .height = 96};
  const Camera c = in_pixels_of(listed, {32, 24}), same = in_pixels_of(listed, {128, 96});
  EXPECT_EQ((std::array{c.fx, c.fy, c.cx, c.cy}), (std::array{25.0, 22.5, 16.0, 12.0}));
  EXPECT_EQ(c.width, 32);
  EXPECT_EQ(same.fx, 100);
  EXPECT_EQ(in_pixels_of({.fx = 5, .width = 1001, .height = 667}, {500, 333}).width, 500);  // rounded down
  EXPECT_EQ(in_pixels_of({.fx = 5}, {7, 3}).fx, 5);                                         // a list without sizes
  for (const ImageSize other : {ImageSize{96, 127}, ImageSize{128, 128}, ImageSize{32, 22}})
    EXPECT_NE(sentence_of([&] { in_pixels_of(listed, other); }).find("but its camera says 128 x 96"),
              std::string::npos);
}

TEST(Cameras, WhatIsNotSuchJsonIsRefused) {
  for (std::string text :
       {std::string(""), std::string("["), with("9.5", "NaN"), with("9.5", "Infinity"), with("9.5", "1e999"),
        with("9.5", "null"), with("9.5", "\"9.5\""), with("9.5", "[9.5]"), with("\"images/0.png\"", "7"),
        with("[0, 0, -1, 0]", "0"), with("-1, 0]", "-1, true]"), "[" + good + ", 5]", "[" + good + "] x",
        std::string(100000, '['), "[" + std::string(100, '[') + std::string(100, ']') + "]"})
    EXPECT_NE(error_for(text), "no error") << text.substr(0, 300);
  EXPECT_EQ(error_for(with("9.5", "\"9.5\"")), "[1].fx wants a number, not text");
  EXPECT_NE(sentence_of([] { load_cameras("/nowhere/c.json"); }).find("/nowhere/c.json"), std::string::npos);
}

Pose pose_at(const std::vector<double>& all, std::size_t i) {
  Pose p;
  std::copy_n(all.begin() + std::ptrdiff_t(16 * i), 16, p.begin());
  return p;
}
void expect_near(const Pose& a, const Pose& b, double bound) {
  for (std::size_t i = 0; i < 16; ++i) EXPECT_NEAR(a[i], b[i], bound) << "entry " << i;
}
constexpr double float32 = 1e-5;  // the stored numbers went through float32 arithmetic on values up to 3

class Golden : public testing::Test {
 protected:
  std::unique_ptr<Device> device = Device::open(Backend::cpu);
  SafetensorsFile file(const std::string& name) {
    return SafetensorsFile("tests/golden/lact/" + name + ".safetensors");
  }
};

TEST_F(Golden, CamerasOfTheDataPath) {
  const auto golden = file("06_data_gso_character");
  const Json views = Json::parse(golden.metadata().at("hparams"), "hparams")["view_indices"];
  const auto all = load_cameras("tests/data/gso_character/opencv_cameras.json");
  const auto intrinsics = golden.read("fxfycxcy", *device).to_doubles(), c2w = golden.read("c2w", *device).to_doubles();
  const auto pixels = golden.read("image_u8", *device).to_doubles();
  std::vector<std::int64_t> indices;
  std::vector<Pose> poses;
  for (std::size_t v = 0; v < std::size_t(views.size()); ++v) {
    indices.push_back(views.at(std::int64_t(v)).integer());
    const Camera& c = all.at(std::size_t(indices.back()));
    poses.push_back(c.c2w);
    expect_near(c.c2w, pose_at(c2w, v), float32);
    const PosedView view = fitted_view(c, resize_and_crop(decode_image(c.image), 128, 128));
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(view.intrinsics[i], intrinsics[4 * v + i], float32 * intrinsics[4 * v + i]);
    for (std::size_t i = 0; i < view.rgb.size(); ++i)
      ASSERT_EQ(view.rgb[i], float(pixels[view.rgb.size() * v + i]) / 255.0f);
  }
  const auto normalised = golden.read("c2w_pose_normalized", *device).to_doubles();
  normalise_poses(poses);
  for (std::size_t v = 0; v < poses.size(); ++v) expect_near(poses[v], pose_at(normalised, v), float32);

  std::sort(indices.begin(), indices.end());
  std::vector<Pose> sorted;
  for (std::int64_t i : indices) sorted.push_back(all[std::size_t(i)].c2w);
  normalise_poses(sorted);
  const auto normalised_sorted = golden.read("c2w_pose_normalized_sorted", *device).to_doubles();
  for (std::size_t v = 0; v < sorted.size(); ++v) expect_near(sorted[v], pose_at(normalised_sorted, v), float32);
}

void expect_path(const std::vector<Camera>& path, const std::vector<double>& intrinsics,
                 const std::vector<double>& c2w) {
  ASSERT_EQ(path.size() * 4, intrinsics.size());
  for (std::size_t v = 0; v < path.size(); ++v) {
    const double k[4] = {path[v].fx, path[v].fy, path[v].cx, path[v].cy};
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(k[i], intrinsics[4 * v + i], float32 * std::abs(intrinsics[4 * v + i]));
    expect_near(path[v].c2w, pose_at(c2w, v), float32);
  }
}

TEST_F(Golden, PathsOfAViewer) {
  const auto golden = file("06_inference_cameras");
  const Json h = Json::parse(golden.metadata().at("hparams"), "hparams");
  auto numbers = [&](const std::string& name) { return golden.read(name, *device).to_doubles(); };
  const Turntable turntable{.width = h["w"].integer(),
                            .height = h["h"].integer(),
                            .views = h["turntable_num_views"].integer(),
                            .hfov = h["hfov"].number(),
                            .min_radius = h["min_radius"].number(),
                            .max_radius = h["max_radius"].number(),
                            .elevation = h["elevation"].number()};
  expect_path(turntable_cameras(turntable), numbers("turntable.fxfycxcy"), numbers("turntable.c2w"));

  const auto k = numbers("interp.in_fxfycxcy"), c2w = numbers("interp.in_c2w");
  std::vector<Camera> inputs;
  for (std::size_t v = 0; 4 * v < k.size(); ++v)
    inputs.push_back({k[4 * v], k[4 * v + 1], k[4 * v + 2], k[4 * v + 3], pose_at(c2w, v), 256, 256, ""});
  expect_path(interpolate_cameras(inputs, h["interp_num_views"].integer()), numbers("interp.fxfycxcy"),
              numbers("interp.c2w"));
}

TEST(Poses, NormalisingIgnoresWhereTheWorldStands) {
  std::vector<Pose> a, b;
  for (const Camera& c : turntable_cameras({.views = 5, .elevation = 70, .swing = 5})) {
    a.push_back(c.c2w);
    Pose moved = c.c2w;  // a quarter turn around x, three times the size, elsewhere
    for (std::size_t i = 0; i < 4; ++i) {
      const double s = i == 3 ? 3 : 1;
      moved[i] = s * c.c2w[i], moved[4 + i] = -s * c.c2w[8 + i], moved[8 + i] = s * c.c2w[4 + i];
    }
    moved[3] += 11, moved[7] -= 5;
    b.push_back(moved);
  }
  normalise_poses(a), normalise_poses(b);
  double largest = 0;
  for (std::size_t v = 0; v < a.size(); ++v) {
    expect_near(a[v], b[v], 1e-12);
    for (std::size_t i : {3, 7, 11}) largest = std::max(largest, std::abs(a[v][i]));
  }
  EXPECT_DOUBLE_EQ(largest, 1);
}

TEST(Poses, DegenerateSetsAreToldApart) {
  const Pose ahead{1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 1, 7, 0, 0, 0, 1},
      back{-1, 0, 0, 5, 0, 1, 0, 6, 0, 0, -1, 7, 0, 0, 0, 1};
  std::vector<Pose> one{ahead}, three{ahead, ahead, ahead}, opposite{ahead, back}, none;
  normalise_poses(one), normalise_poses(three), normalise_poses(none);
  expect_near(one[0], {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, 1e-12);
  expect_near(three[2], one[0], 1e-12);
  EXPECT_EQ(sentence_of([&] { normalise_poses(opposite); }),
            "the poses of 2 views cannot be normalised: their directions cancel");
}

TEST(Paths, ImpossibleOnesAreRefused) {
  for (const Turntable& t : {Turntable{.views = 0}, Turntable{.hfov = 180}, Turntable{.min_radius = 0},
                             Turntable{.min_radius = 4, .max_radius = 3}, Turntable{.elevation = 90, .swing = 0}})
    EXPECT_NE(sentence_of([&] { turntable_cameras(t); }), "no error");
  EXPECT_EQ(turntable_cameras({.views = 1}).size(), 1u);
  EXPECT_TRUE(interpolate_cameras({}, 2).empty());
  EXPECT_EQ(interpolate_cameras(turntable_cameras({.views = 3}), 0).size(), 3u);
}

}  // namespace
}  // namespace lact
