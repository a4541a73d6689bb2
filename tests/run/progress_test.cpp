#include "run/progress.hpp"

#include <gtest/gtest.h>

namespace lact {
namespace {

TEST(Duration, TwoUnitsAtMost) {
  EXPECT_EQ(duration_text(-3), "0s");
  EXPECT_EQ(duration_text(0.2), "1s");  // rounded up: never "0s left" while there is work
  EXPECT_EQ(duration_text(59), "59s");
  EXPECT_EQ(duration_text(60), "1m00s");
  EXPECT_EQ(duration_text(3599.5), "1h00m");
  EXPECT_EQ(duration_text(3 * 86400 + 4 * 3600 + 5), "3d04h");
  EXPECT_EQ(duration_text(1.0 / 0.0), "?");
}

TEST(ProgressLine, SaysWhatIsKnown) {
  EXPECT_EQ(progress_line({120, 0.012342, "PSNR 19.1 dB", 3215}, 600, 65.0),
            "step 120/600  loss 0.01234  PSNR 19.1 dB  3.2k tokens/s  1m05s left");
  EXPECT_EQ(progress_line({1, 2, {}, 987.4}, 10, {}), "step 1/10  loss 2  987 tokens/s");
  EXPECT_EQ(progress_line({1, 2, {}, 41234567}, 10, {}), "step 1/10  loss 2  41M tokens/s");
}

TEST(Progress, ShowsTheFirstRowThenAtIntervalsAndTheLastRowAlways) {
  double now = 100;
  Progress progress(0, 10, 5.0, [&] { return now; });
  std::vector<std::int64_t> shown;
  for (std::int64_t step = 1; step <= 10; ++step) {
    now += 2;
    if (progress.show({step, 0.5, {}, 1000})) shown.push_back(step);
  }
  EXPECT_EQ(shown, (std::vector<std::int64_t>{1, 4, 7, 10}));
}

TEST(Progress, TimeLeftFollowsFromTheStepsOfThisStart) {
  double now = 0;
  Progress progress(90, 100, 0.0, [&] { return now; });
  now = 10;
  testing::internal::CaptureStderr();
  progress.show({95, 0.5, {}, 1000});
  EXPECT_NE(testing::internal::GetCapturedStderr().find("10s left"), std::string::npos);
}

}  // namespace
}  // namespace lact
