#include "data/text/permutation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(Permutation, HasEveryNumberOnceWhateverTheirCount) {
  for (const std::int64_t n : {1, 2, 3, 4, 5, 16, 17, 255, 1000, 4097}) {
    const Permutation p(7, n);
    std::set<std::int64_t> seen;
    for (std::int64_t i = 0; i < n; ++i) seen.insert(p(i));
    EXPECT_EQ(std::int64_t(seen.size()), n);
    EXPECT_EQ(*seen.begin(), 0);
    EXPECT_EQ(*seen.rbegin(), n - 1);
  }
}

TEST(Permutation, PutsEveryNumberInEveryPlaceEquallyOften) {
  const std::int64_t n = 5, keys = 20000;
  std::vector<int> count(std::size_t(n * n));
  for (std::int64_t key = 0; key < keys; ++key) {
    const Permutation p(std::uint64_t(key) << 20, n);
    for (std::int64_t i = 0; i < n; ++i) ++count[std::size_t(n * i + p(i))];
  }
  const double mean = double(keys) / double(n), deviation = std::sqrt(mean * (1 - 1 / double(n)));
  for (const int c : count) EXPECT_NEAR(c, mean, 5 * deviation);
}

TEST(Permutation, OfHugeCountsNeedsNoMemory) {
  const std::int64_t n = (std::int64_t(1) << 40) + 3;
  const Permutation p(1, n);
  std::set<std::int64_t> seen;
  for (std::int64_t i = n - 1000; i < n; ++i) {
    seen.insert(p(i));
    EXPECT_TRUE(p(i) >= 0 && p(i) < n);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Permutation, OfNothingOrBeyondItsEndIsRefused) {
  EXPECT_EQ(sentence_of([] { Permutation(0, 0); }), "there is no permutation of 0 numbers");
  EXPECT_EQ(sentence_of([] { Permutation(0, 3)(3); }), "a permutation of 3 numbers has no place 3");
}

}  // namespace
}  // namespace lact
