// Learning-rate curves as pure functions.
#include "optim/learning_rate.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lact {
namespace {

TEST(CosineRate, StartsAtZeroPeaksAfterWarmupAndEndsAtTheFloor) {
  EXPECT_EQ(cosine_rate(0, 1e-3, 5, 20), 0);
  EXPECT_DOUBLE_EQ(cosine_rate(1, 1e-3, 5, 20), 2e-4);
  EXPECT_DOUBLE_EQ(cosine_rate(5, 1e-3, 5, 20), 1e-3);
  EXPECT_NEAR(cosine_rate(20, 1e-3, 5, 20), 0, 1e-19);
  EXPECT_DOUBLE_EQ(cosine_rate(20, 1e-3, 5, 20, 0.1), 1e-4);
  EXPECT_DOUBLE_EQ(cosine_rate(1000000, 1e-3, 5, 20, 0.1), 1e-4) << "and stays there";
  EXPECT_DOUBLE_EQ(cosine_rate(12, 1, 4, 20), 0.5) << "half way";
}

TEST(CosineRate, RisesThenFallsAndStaysInBounds) {
  for (std::int64_t warmup : {0, 1, 7, 30})
    for (std::int64_t total : {1, 8, 30, 31, 100})
      for (double floor : {0.0, 0.25}) {
        for (std::int64_t s = 0; s < 120; ++s) {
          const double now = cosine_rate(s, 2, warmup, total, floor),
                       next = cosine_rate(s + 1, 2, warmup, total, floor);
          EXPECT_TRUE(now >= 0 && now <= 2) << s << " of " << warmup << " and " << total;
          EXPECT_TRUE(s + 1 >= warmup || next > now) << "it rises";
          EXPECT_TRUE(s < warmup || next <= now + 1e-15) << "it falls";
          EXPECT_TRUE(s < std::max(warmup, total) || std::abs(now - 2 * floor) < 1e-15) << "it stays";
        }
      }
}

TEST(CosineRate, NoWarmupBeginsAtThePeak) { EXPECT_DOUBLE_EQ(cosine_rate(0, 3, 0, 10), 3); }

}  // namespace
}  // namespace lact
