#include "models/view_synthesis/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/check.hpp"
#include "base/random.hpp"

namespace lact {
namespace {

std::vector<float> random_picture(std::uint64_t seed, std::size_t count) {
  std::vector<float> p;
  for (std::size_t i = 0; i < count; ++i) p.push_back(float(uniform(seed, std::int64_t(i))));
  return p;
}

// The published formula, place by place with the 2-D window and central moments.
double direct_ssim(const std::vector<float>& a, const std::vector<float>& b, int height, int width, int rows,
                   int columns) {
  double total = 0;
  int places = 0;
  for (int c = 0; c < int(a.size()) / (height * width); ++c)
    for (int y = 0; y + rows <= height; ++y)
      for (int x = 0; x + columns <= width; ++x) {
        auto average = [&](auto f) {
          double sum = 0, weights = 0;
          for (int j = 0; j < rows; ++j)
            for (int i = 0; i < columns; ++i) {
              double w = std::exp(-(std::pow(j - rows / 2, 2) + std::pow(i - columns / 2, 2)) / (2 * 1.5 * 1.5));
              auto at = std::size_t((c * height + y + j) * width + x + i);
              sum += w * f(double(a[at]), double(b[at]));
              weights += w;
            }
          return sum / weights;
        };
        double ma = average([](double p, double) { return p; }), mb = average([](double, double q) { return q; });
        double va = average([&](double p, double) { return (p - ma) * (p - ma); });
        double vb = average([&](double, double q) { return (q - mb) * (q - mb); });
        double cov = average([&](double p, double q) { return (p - ma) * (q - mb); });
        total += (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4));
        ++places;
      }
  return total / places;
}

TEST(Metrics, PsnrOfKnownErrors) {
  std::vector<float> a(30, 0.5f), b(30, 0.25f);
  EXPECT_DOUBLE_EQ(mse(a, b), 0.0625);
  EXPECT_NEAR(psnr(0.0625), 12.041199826559248, 1e-12);
  EXPECT_DOUBLE_EQ(psnr(0.01), 20);
  EXPECT_EQ(psnr(mse(a, a)), std::numeric_limits<double>::infinity());
}

TEST(Metrics, MseDoesNotLoseSmallErrorsInLongSums) {
  std::vector<float> a(1 << 20, 1.f), b(1 << 20, 1.f + 0x1p-10f);
  EXPECT_DOUBLE_EQ(mse(a, b), 0x1p-20);  // exact: powers of two
}

TEST(Metrics, SsimIsTheDirectFormula) {
  // Moments of values in [0, 1] cancel to about eps / 9e-4 at worst.
  for (auto [height, width] : {std::pair{17, 23}, {11, 11}, {12, 31}}) {
    auto count = std::size_t(3 * height * width);
    auto a = random_picture(1, count), b = random_picture(2, count);
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = 0.7f * a[i] + 0.3f * b[i];
    EXPECT_NEAR(ssim(a, b, height, width), direct_ssim(a, b, height, width, 11, 11), 1e-11);
  }
}

TEST(Metrics, SsimOfSmallPicturesUsesTheLargestOddWindow) {
  auto a = random_picture(3, 3 * 8 * 15), b = random_picture(4, 3 * 8 * 15);
  EXPECT_NEAR(ssim(a, b, 8, 15), direct_ssim(a, b, 8, 15, 7, 11), 1e-11);
  EXPECT_NEAR(ssim(a, b, 15, 8), direct_ssim(a, b, 15, 8, 11, 7), 1e-11);
  std::vector<float> one{0.5f, 0.5f, 0.5f}, other{0.25f, 0.25f, 0.25f};
  EXPECT_NEAR(ssim(one, other, 1, 1), (0.25 + 1e-4) / (0.3125 + 1e-4), 1e-12);
}

TEST(Metrics, SsimIsOneOnlyForEqualPicturesAndSymmetric) {
  auto a = random_picture(5, 3 * 16 * 16), b = random_picture(6, 3 * 16 * 16);
  EXPECT_NEAR(ssim(a, a, 16, 16), 1, 1e-12);
  EXPECT_LT(ssim(a, b, 16, 16), 0.2);
  EXPECT_DOUBLE_EQ(ssim(a, b, 16, 16), ssim(b, a, 16, 16));
}

TEST(Metrics, PicturesThatDoNotMatchAreRefused) {
  std::vector<float> a(12), b(11), none;
  EXPECT_THROW(mse(a, b), Error);
  EXPECT_THROW(mse(none, none), Error);
  EXPECT_THROW(ssim(a, b, 2, 2), Error);
  EXPECT_THROW(ssim(a, a, 5, 2), Error);
  EXPECT_THROW(ssim(a, a, 0, 2), Error);
  EXPECT_THROW(ssim(none, none, 2, 2), Error);
}

}  // namespace
}  // namespace lact
