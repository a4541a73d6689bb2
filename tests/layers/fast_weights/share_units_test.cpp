// Matrices to orthogonalise, shared over ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/random.hpp"
#include "layers/fast_weights/share_units.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using Units = std::vector<OrthogonalUnit>;
using Owners = std::vector<int>;

double busiest(const Units& units, const Owners& owner, int ranks) {
  return std::ranges::max(work_of_ranks(units, owner, ranks));
}

Units random_units(std::int64_t count, std::uint64_t seed) {
  const std::uint64_t key = random_key(seed, "units");
  Units units;
  for (std::int64_t i = 0; i < count; ++i)
    units.push_back({1 + std::int64_t(40 * uniform(key, 2 * i)), 1 + std::int64_t(40 * uniform(key, 2 * i + 1))});
  return units;
}

TEST(ShareUnits, TheCostIsThatOfTheSmallerSide) {
  EXPECT_EQ((OrthogonalUnit{3, 5}.cost()), 4 * 9 * 5 + 2 * 27);
  EXPECT_EQ((OrthogonalUnit{5, 3}.cost()), (OrthogonalUnit{3, 5}.cost()));
  EXPECT_EQ((OrthogonalUnit{0, 7}.cost()), 0);
}

TEST(ShareUnits, ThreeMatricesOfOneHead) {
  const Units units{{64, 128}, {128, 64}, {64, 128}};
  EXPECT_EQ(share_units(units, 1), (Owners{0, 0, 0}));
  EXPECT_EQ(share_units(units, 2), (Owners{0, 1, 0})) << "two ranks do two thirds";
  EXPECT_EQ(share_units(units, 3), (Owners{0, 1, 2}));
  EXPECT_EQ(share_units(units, 7), (Owners{0, 1, 2})) << "more ranks than matrices: some own none";
}

TEST(ShareUnits, TheLargestMatrixGoesFirst) {
  const Units units{{8, 8}, {8, 8}, {16, 16}};  // costs 1, 1, 8
  EXPECT_EQ(share_units(units, 2), (Owners{1, 1, 0}));
}

TEST(ShareUnits, EqualMatricesDifferByAtMostOne) {
  for (int count = 0; count < 14; ++count)
    for (int ranks = 1; ranks < 9; ++ranks) {
      const Owners owner = share_units(Units(std::size_t(count), {3, 7}), ranks);
      std::vector<int> of(std::size_t(ranks), 0);
      for (int o : owner) ++of.at(std::size_t(o));
      EXPECT_LE(std::ranges::max(of) - std::ranges::min(of), 1) << count << " over " << ranks;
    }
}

TEST(ShareUnits, TheBusiestRankIsWithinFourThirdsOfTheBest) {
  for (std::uint64_t seed = 0; seed < 40; ++seed)
    for (int ranks = 2; ranks < 4; ++ranks) {
      const Units units = random_units(1 + std::int64_t(seed % 7), seed);
      double best = busiest(units, Owners(units.size(), 0), ranks);
      std::int64_t ways = 1;
      for (std::size_t u = 0; u < units.size(); ++u) ways *= ranks;
      for (std::int64_t way = 0; way < ways; ++way) {
        Owners owner(units.size());
        for (std::int64_t rest = way; int& o : owner) o = int(rest % ranks), rest /= ranks;
        best = std::min(best, busiest(units, owner, ranks));
      }
      const double found = busiest(units, share_units(units, ranks), ranks);
      EXPECT_LE(found, best * (4.0 / 3 - 1.0 / (3 * ranks))) << "seed " << seed;
      EXPECT_GE(found, best);
    }
}

TEST(ShareUnits, AllWorkIsDoneOnce) {
  const Units units = random_units(23, 5);
  double all = 0;
  for (const OrthogonalUnit& u : units) all += u.cost();
  for (int ranks : {1, 2, 3, 5, 8, 40}) {
    const std::vector<double> work = work_of_ranks(units, share_units(units, ranks), ranks);
    EXPECT_EQ(work.size(), std::size_t(ranks));
    EXPECT_EQ(std::accumulate(work.begin(), work.end(), 0.0), all) << "whole numbers add exactly";
  }
}

TEST(ShareUnits, NoRanksAreRefused) {
  const auto share = [] { share_units(Units{{2, 2}}, 0); };
  EXPECT_EQ(sentence_of(share), "1 matrices shared over 0 ranks");
}

}  // namespace
}  // namespace lact
