#include "data/views/synthetic.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/check.hpp"
#include "base/random.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using synthetic::Solid;

bool same(const PosedView& a, const PosedView& b) {
  return a.rgb == b.rgb && a.intrinsics == b.intrinsics && a.c2w == b.c2w;
}

TEST(Synthetic, AViewIsAFunctionOfSeedSceneAndView) {
  SyntheticScenes few({.scenes = 2, .views = 5}), more({.scenes = 4, .views = 5});
  SyntheticScenes other({.scenes = 2, .views = 5, .seed = 1});
  PosedView view = few.load(1, 3, 24, 24);
  EXPECT_TRUE(same(view, few.load(1, 3, 24, 24)));
  EXPECT_TRUE(same(view, more.load(1, 3, 24, 24)));
  EXPECT_NE(view.rgb, few.load(1, 2, 24, 24).rgb);
  EXPECT_NE(view.rgb, few.load(0, 3, 24, 24).rgb);
  EXPECT_NE(view.rgb, other.load(1, 3, 24, 24).rgb);
}

TEST(Synthetic, ScenesAreDiverseAndInsideThePicture) {
  SyntheticScenes source({.scenes = 12, .views = 6, .resolution = 48});
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    auto solids = source.solids(s).solids.size();
    EXPECT_GE(solids, 3u);
    EXPECT_LE(solids, 6u);
    for (std::int64_t v = 0; v < source.views(s); ++v) {
      Image image = source.picture(s, v);
      double covered = 0;
      for (int y = 0; y < 48; ++y)
        for (int x = 0; x < 48; ++x) {
          int alpha = image.pixels[std::size_t(y * 48 + x) * 4 + 3];
          covered += alpha / (255.0 * 48 * 48);
          bool border = x == 0 || y == 0 || x == 47 || y == 47;
          EXPECT_FALSE(border && alpha > 0) << "scene " << s << " view " << v;
        }
      EXPECT_GT(covered, 0.03);
      EXPECT_LT(covered, 0.6);
    }
  }
}

TEST(Synthetic, CamerasStandOnTheSphereUprightAndLookAtTheOrigin) {
  SyntheticScenes source({.scenes = 2, .views = 33});
  double lowest = 9, highest = -9;
  for (std::int64_t v = 0; v < 33; ++v) {
    Camera c = source.camera(1, v);
    const auto& m = c.c2w;
    EXPECT_NEAR(std::hypot(m[3], m[7], m[11]), 2.7, 1e-12);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(m[4 * i + 3], -2.7 * m[4 * i + 2], 1e-12);  // forward: the origin
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t b = 0; b < 3; ++b)
        EXPECT_NEAR(m[a] * m[b] + m[4 + a] * m[4 + b] + m[8 + a] * m[8 + b], a == b, 1e-12);
    EXPECT_NEAR(m[8], 0, 1e-12);  // right is level
    EXPECT_LT(m[9], 0);           // down points down
    double right_handed =
        m[0] * (m[5] * m[10] - m[9] * m[6]) - m[4] * (m[1] * m[10] - m[9] * m[2]) + m[8] * (m[1] * m[6] - m[5] * m[2]);
    EXPECT_NEAR(right_handed, 1, 1e-12);
    lowest = std::min(lowest, m[11]), highest = std::max(highest, m[11]);
  }
  EXPECT_GE(lowest, 0);
  EXPECT_LT(lowest, 0.2);
  EXPECT_GT(highest, 2.7 * 0.8);
}

TEST(Synthetic, ASolidAppearsWhereTheCameraProjectsIt) {
  SyntheticScenes source({.scenes = 1, .views = 9, .resolution = 96});
  synthetic::Scene scene{.to_light = {0, 0, 1}};
  Solid ball{
      .kind = Solid::Kind::sphere, .centre = {0.5f, -0.3f, 0.2f}, .size = {0.1f, 0, 0}, .reach = 0.1f, .cell = 1};
  ball.axes = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  scene.solids = {ball};
  for (std::int64_t v = 0; v < 9; ++v) {
    Camera c = source.camera(0, v);
    std::array<double, 3> local{};  // R^T (centre - eye)
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j) local[i] += c.c2w[4 * j + i] * (ball.centre[j] - c.c2w[4 * j + 3]);
    Image image = synthetic::render(scene, c);
    double sum = 0, x_mean = 0, y_mean = 0;
    for (int y = 0; y < 96; ++y)
      for (int x = 0; x < 96; ++x) {
        double alpha = image.pixels[std::size_t(y * 96 + x) * 4 + 3] / 255.0;
        sum += alpha, x_mean += alpha * (x + 0.5), y_mean += alpha * (y + 0.5);
      }
    // An eighth of a pixel: two rays a side place the silhouette's border to a quarter pixel, and its errors average.
    EXPECT_NEAR(x_mean / sum, c.fx * local[0] / local[2] + c.cx, 0.125);
    EXPECT_NEAR(y_mean / sum, c.fy * local[1] / local[2] + c.cy, 0.125);
    EXPECT_NEAR(sum, std::acos(-1.0) * std::pow(c.fx * 0.1 / local[2], 2), 0.08 * sum);
  }
}

TEST(Synthetic, DistancesAreTrueOutsideAndSolidsStayInTheirBall) {
  for (std::int64_t number = 0; number < 20; ++number)
    for (const Solid& s : synthetic::make_scene(3, number).solids)
      for (std::int64_t i = 0; i < 50; ++i) {
        synthetic::Vec3 p{}, q{};
        for (std::size_t k = 0; k < 3; ++k) {
          p[k] = 1.5f * s.reach * float(2 * uniform(9, 6 * i + std::int64_t(k)) - 1);
          q[k] = p[k] + 0.1f * float(2 * uniform(9, 6 * i + 3 + std::int64_t(k)) - 1);
        }
        float apart = std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
        EXPECT_LE(std::fabs(distance(s, p) - distance(s, q)), apart + 1e-6f);  // a ray can never step through
        EXPECT_TRUE(std::hypot(p[0], p[1], p[2]) <= s.reach + 1e-6f || distance(s, p) > 0);
      }
}

TEST(Synthetic, SmallAndNarrowViewsAreTheLargeOneScaledAndCropped) {
  SyntheticScenes source({.scenes = 1, .views = 2, .resolution = 96});
  PosedView narrow = source.load(0, 1, 48, 24), square = source.load(0, 1, 48, 48);
  EXPECT_NEAR(square.intrinsics[0], source.camera(0, 1).fx / 2, 1e-4);
  EXPECT_EQ(narrow.intrinsics[0], square.intrinsics[0]);
  EXPECT_EQ(narrow.intrinsics[2], square.intrinsics[2] - 12);
  EXPECT_EQ(narrow.intrinsics[3], square.intrinsics[3]);
  for (std::size_t y = 0; y < 3 * 48; ++y)
    for (std::size_t x = 0; x < 24; ++x)  // the same rays up to rounding, which may carry one over a texture's border
      EXPECT_NEAR(narrow.rgb[y * 24 + x], square.rgb[y * 48 + x + 12], 0.26);
}

TEST(Synthetic, ADatasetOnDiskHoldsTheSameViews) {
  std::string folder = (fs::temp_directory_path() / "lact-synthetic-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  SyntheticScenes source({.scenes = 2, .views = 3, .resolution = 40, .seed = 5});
  write_dataset(source, folder);
  SceneFolder read(folder + "/index.json");
  ASSERT_EQ(read.scenes(), 2);
  for (std::int64_t s = 0; s < 2; ++s) {
    EXPECT_EQ(read.scene_name(s), source.scene_name(s));
    ASSERT_EQ(read.views(s), 3);
    for (std::int64_t v = 0; v < 3; ++v) {
      Camera a = read.camera(s, v), b = source.camera(s, v);
      for (std::size_t i = 0; i < 16; ++i) EXPECT_NEAR(a.c2w[i], b.c2w[i], 1e-6);
      EXPECT_EQ((std::array{a.fx, a.fy, a.cx, a.cy}), (std::array{b.fx, b.fy, b.cx, b.cy}));
      EXPECT_EQ(a.width, 40);
      EXPECT_EQ(a.height, 40);
      EXPECT_EQ(read.load(s, v, 40, 40).rgb, source.load(s, v, 40, 40).rgb);
    }
  }
  Image stored = decode_image(folder + "/scene_0001/renderings/00000002_rgba.png");
  EXPECT_EQ(stored.pixels, source.picture(1, 2).pixels);  // with its alpha
  EXPECT_THROW(write_dataset(source, folder), Error);     // never over another data set
  fs::remove_all(folder);
}

TEST(Synthetic, ImpossibleRequestsAreRefused) {
  EXPECT_THROW(SyntheticScenes({.scenes = 0}), Error);
  EXPECT_THROW(SyntheticScenes({.views = 0}), Error);
  EXPECT_THROW(SyntheticScenes({.views = std::int64_t(1) << 40}), Error);
  EXPECT_THROW(SyntheticScenes({.resolution = 0}), Error);
  SyntheticScenes source({.scenes = 1, .views = 2});
  EXPECT_THROW(source.load(1, 0, 8, 8), Error);
  EXPECT_THROW(source.load(0, 2, 8, 8), Error);
  EXPECT_THROW(source.camera(0, -1), Error);
  EXPECT_THROW(source.load(0, 0, 0, 8), Error);
}

}  // namespace
}  // namespace lact
