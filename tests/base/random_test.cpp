// Random numbers are functions of seed, name and position.
#include <gtest/gtest.h>
#include <cmath>
#include <set>

#include "base/random.hpp"

namespace lact {
namespace {

TEST(Random, IsAFunctionOfNameAndPosition) {
  auto k = random_key(0, "blocks.0.w0");
  EXPECT_EQ(normal(k, 17), normal(random_key(0, "blocks.0.w0"), 17));
  EXPECT_NE(k, random_key(1, "blocks.0.w0"));
  EXPECT_NE(k, random_key(0, "blocks.0.w0", 1));
}

TEST(Random, MomentsOfNormal) {
  const int n = 20000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    double x = normal(random_key(3, "m"), i);
    sum += x, squares += x * x;
  }
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));  // five standard errors
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2.0 / n));
}

TEST(Random, SamplesWithoutReplacement) {
  auto s = sample_without_replacement(random_key(0, "views", 5), 10, 10);
  EXPECT_EQ(std::set<std::int64_t>(s.begin(), s.end()).size(), 10u);
}

}  // namespace
}  // namespace lact
