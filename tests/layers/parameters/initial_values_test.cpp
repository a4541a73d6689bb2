// Initial values have their distributions.
#include <gtest/gtest.h>
#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "layers/parameters/initial_values.hpp"

namespace lact {
namespace {

TEST(InitialValues, HaveTheirDistributions) {
  const std::int64_t n = 40000;
  const auto key = random_key(1, "numbers");
  double sum = 0, squares = 0, low = 0, high = 0, uniform_squares = 0;
  const Init normal_numbers = gaussian(0.02), uniform_numbers = uniform_within(0.3);
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = normal_numbers(key, i), u = uniform_numbers(key, i);
    sum += x, squares += x * x;
    low = std::min(low, u), high = std::max(high, u), uniform_squares += u * u;
  }
  // four standard errors: of a mean s / sqrt(n), of a mean square s^2 sqrt(2 / n); for uniform numbers b^2 / 3 and its
  // spread
  EXPECT_NEAR(sum / double(n), 0, 4 * 0.02 / std::sqrt(double(n)));
  EXPECT_NEAR(squares / double(n), 4e-4, 4 * 4e-4 * std::sqrt(2 / double(n)));
  EXPECT_NEAR(uniform_squares / double(n), 0.03, 4 * 0.09 * std::sqrt(4.0 / 45 / double(n)));
  EXPECT_TRUE(low >= -0.3 && low < -0.299 && high < 0.3 && high > 0.299);
  EXPECT_EQ(constant(7)(key, 123), 7);
}

}  // namespace
}  // namespace lact
