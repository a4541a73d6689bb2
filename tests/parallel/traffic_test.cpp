// What travels, by formula: shares, and the elements that leave each rank.
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "parallel/traffic.hpp"

namespace lact {
namespace {

using Counts = std::vector<std::int64_t>;

TEST(EvenParts, JoinToTheWholeAndDifferByOne) {
  EXPECT_EQ(even_counts(7, 3), (Counts{2, 2, 3}));
  EXPECT_EQ(even_counts(2, 3), (Counts{0, 1, 1}));
  for (std::int64_t n : {0, 1, 5, 64, 1001})
    for (int parts : {1, 2, 3, 7, 100}) {
      std::int64_t end = 0;
      for (int p = 0; p < parts; ++p) {
        const Range part = even_part(n, p, parts);
        EXPECT_EQ(part.begin, end);
        EXPECT_TRUE(part.size() == n / parts || part.size() == n / parts + 1);
        end = part.end;
      }
      EXPECT_EQ(end, n);
    }
}

// Three ranks with 5, 0 and 7 of 12 elements.
TEST(ElementsSent, FollowTheFormulaOfEachCollective) {
  const Counts counts{5, 0, 7};
  const std::map<Op, Counts> want{{Op::all_gather, {10, 0, 14}},
                                  {Op::reduce_scatter, {7, 12, 5}},
                                  {Op::all_reduce, {17, 12, 19}},
                                  {Op::broadcast, {0, 24, 0}},
                                  {Op::reduce_to, {12, 0, 12}}};
  for (const auto& [op, sent] : want)
    for (int rank = 0; rank < 3; ++rank)
      EXPECT_EQ(elements_sent(op, rank, 3, counts, 1), sent[std::size_t(rank)]) << name_of(op) << " " << rank;
  const Counts pairs{9, 1, 2, 3, 9, 4, 5, 6, 9};  // from rank a to rank b at [a * 3 + b]
  for (int rank = 0; rank < 3; ++rank)
    EXPECT_EQ(elements_sent(Op::all_to_all, rank, 3, pairs), (Counts{3, 7, 11})[std::size_t(rank)]);
}

TEST(ElementsSent, NothingLeavesASingleRank) {
  const Counts all{12};
  for (std::size_t op = 0; op < op_kinds; ++op) EXPECT_EQ(elements_sent(Op(op), 0, 1, all), 0) << name_of(Op(op));
}

TEST(ElementsSent, AllReduceIsAReduceScatterAndAGather) {
  for (int ranks : {2, 3, 5}) {
    const Counts counts = even_counts(101, ranks);
    for (int rank = 0; rank < ranks; ++rank)
      EXPECT_EQ(
          elements_sent(Op::all_reduce, rank, ranks, counts),
          elements_sent(Op::reduce_scatter, rank, ranks, counts) + elements_sent(Op::all_gather, rank, ranks, counts));
  }
}

TEST(Ledger, AddsSecondsOnceTheClockHasThem) {
  const Moment at_two = [] { return 2.0; }, at_five = [] { return 5.0; };
  Ledger by_host;
  by_host.add(Op::all_gather, &Traffic::Row::wait_seconds, at_two, at_five);
  EXPECT_EQ(by_host.traffic.of(Op::all_gather).wait_seconds, 3);
  Ledger by_device;
  by_device.time_by([&] { return at_two; });
  by_device.add(Op::exchange, &Traffic::Row::begin_seconds, by_device.now(), at_five);
  EXPECT_EQ(by_device.traffic.total().begin_seconds, 0) << "its work may not be over";
  by_device.settle();
  EXPECT_EQ(by_device.traffic.total().begin_seconds, 3);
  by_device.reset();
  EXPECT_EQ(by_device.traffic.total().blocked_seconds(), 0);
}

}  // namespace
}  // namespace lact
