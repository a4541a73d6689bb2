// What all ranks do or refuse together.
#include "parallel/together.hpp"

#include <gtest/gtest.h>

#include <new>

#include "base/check.hpp"
#include "support/ranks.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(Gathered, TextsOfAnyLengthInTheOrderOfRanks) {
  auto text = [](int rank) { return rank == 1 ? std::string() : std::string(std::size_t(rank) + 1, 'a') + '\0' + "z"; };
  const auto all = gathered(world(), text(world().rank()));
  ASSERT_EQ(all.size(), std::size_t(world().size()));
  for (int r = 0; r < world().size(); ++r) EXPECT_EQ(all[std::size_t(r)], text(r)) << r;
}

TEST(Gathered, NumbersOfAnyCount) {
  using Numbers = std::vector<std::uint64_t>;
  auto numbers = [](int rank) { return Numbers(std::size_t(rank), ~std::uint64_t(rank)); };
  const auto all = gathered(world(), numbers(world().rank()));
  ASSERT_EQ(all.size(), std::size_t(world().size()));
  for (int r = 0; r < world().size(); ++r) EXPECT_EQ(all[std::size_t(r)], numbers(r)) << r;
}

TEST(SameEverywhere, IsTheListOfTheFirstRank) {
  const std::vector<std::string> first{"b", "", "a b"};
  EXPECT_EQ(same_everywhere(world(), world().rank() == 0 ? first : std::vector<std::string>{"other"}), first);
  EXPECT_EQ(same_everywhere(world(), {}), std::vector<std::string>());
}

TEST(Together, AllThrowTheSentenceOfTheLowestRankThatFailed) {
  int ran = 0;
  together(world(), [&] { ++ran; });
  EXPECT_EQ(ran, 1);
  const int last = world().size() - 1;
  auto fail_from = [&](int lowest) {
    return sentence_of(
        [&] { together(world(), [&] { check(world().rank() < lowest, "rank {} cannot", world().rank()); }); });
  };
  EXPECT_EQ(fail_from(last), sentence("rank {} cannot", last));
  EXPECT_EQ(fail_from(0), "rank 0 cannot");
}

TEST(Together, MissingMemoryOfOneRankIsToldToAll) {
  auto run = [] { together(world(), [] { throw std::bad_alloc(); }); };
  if (world().size() == 1)
    EXPECT_THROW(run(), std::bad_alloc) << "one rank alone has its own advice";
  else
    EXPECT_NE(sentence_of(run).find("memory of a host"), std::string::npos);
}

}  // namespace
}  // namespace lact
