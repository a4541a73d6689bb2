// Where pixels stand among tokens.
#include "kernels/rays.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

TEST(Tokens, EveryPixelHasOnePlace) {
  const std::int64_t h = 6, w = 9, p = 3;
  std::vector<int> seen(std::size_t(h * w));
  for (std::int64_t row = 0; row < h; ++row)
    for (std::int64_t column = 0; column < w; ++column) {
      const std::int64_t at = kernels::place_of_pixel(row, column, w, p);
      ASSERT_EQ(at % kernels::token_channels, 0);
      ++seen[std::size_t(at / kernels::token_channels)];
    }
  EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
}

}  // namespace
}  // namespace lact
