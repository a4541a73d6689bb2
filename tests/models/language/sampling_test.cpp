#include "models/language/sampling.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/check.hpp"

namespace lact {
namespace {

TEST(Sampling, WithoutTemperatureTakesTheFirstOfTheLikeliest) {
  const std::vector<float> logits{1, 3, -2, 3, 2};
  for (std::int64_t i = 0; i < 5; ++i) EXPECT_EQ(next_token(logits, {.temperature = 0}, i), 1);
  EXPECT_EQ(next_token(std::vector<float>{7}, {}, 0), 0);
}

TEST(Sampling, DrawsTokensAsOftenAsTheirProbabilitySays) {
  const std::vector<float> logits{0, 1, 2, -1};
  constexpr std::int64_t draws = 20000;
  for (const double temperature : {0.5, 1.0, 2.0}) {
    std::vector<double> counts(4), p;
    for (std::int64_t i = 0; i < draws; ++i)
      ++counts[std::size_t(next_token(logits, {.temperature = temperature, .seed = 9}, i))];
    double all = 0;
    for (const float x : logits) p.push_back(std::exp(double(x) / temperature)), all += p.back();
    for (std::size_t i = 0; i < 4; ++i) {
      const double q = p[i] / all;
      EXPECT_NEAR(counts[i], q * draws, 5 * std::sqrt(q * (1 - q) * draws)) << i << " at " << temperature;  // 5 sigma
    }
  }
}

TEST(Sampling, LeavesOutWhatIsBeyondTopP) {
  const std::vector<float> logits{std::log(0.1f), std::log(0.5f), std::log(0.15f), std::log(0.25f)};
  std::vector<int> counts(4);
  for (std::int64_t i = 0; i < 500; ++i) ++counts[std::size_t(next_token(logits, {.top_p = 0.7}, i))];
  EXPECT_GT(counts[1], 0);
  EXPECT_GT(counts[3], 0);
  EXPECT_EQ(counts[0] + counts[2], 0);
  for (std::int64_t i = 0; i < 50; ++i) EXPECT_EQ(next_token(logits, {.top_p = 0.01}, i), 1);
}

TEST(Sampling, IsAFunctionOfSeedAndPosition) {
  const std::vector<float> logits(64, 0.0f);
  std::vector<std::int32_t> a, b, other;
  for (std::int64_t i = 0; i < 32; ++i) {
    a.push_back(next_token(logits, {.seed = 1}, i));
    b.push_back(next_token(logits, {.seed = 1}, i));
    other.push_back(next_token(logits, {.seed = 2}, i));
  }
  EXPECT_EQ(a, b);
  EXPECT_NE(a, other);
}

TEST(Sampling, RefusesWhatIsNoProbability) {
  EXPECT_THROW(next_token(std::vector<float>{}, {}, 0), Error);
  EXPECT_THROW(next_token(std::vector<float>{0, std::nanf("")}, {}, 0), Error);
  EXPECT_THROW((SamplingConfig{.temperature = -1}.check_values()), Error);
  EXPECT_THROW((SamplingConfig{.top_p = 1.5}.check_values()), Error);
}

}  // namespace
}  // namespace lact
