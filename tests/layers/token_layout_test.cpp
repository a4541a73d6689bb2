// Which tokens of a sample a rank of cp and tp holds: arithmetic only.
#include <gtest/gtest.h>

#include "layers/token_layout.hpp"

namespace lact {
namespace {

std::vector<std::pair<std::int64_t, std::int64_t>> pairs(const std::vector<Range>& ranges) {
  std::vector<std::pair<std::int64_t, std::int64_t>> out;
  for (const Range& r : ranges) out.emplace_back(r.begin, r.end);
  return out;
}
using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;

TEST(TokenLayout, PartsOfAConcatenation) {
  const std::vector<Range> ranges{{2, 4}, {6, 9}, {20, 21}};  // tokens 2 3 6 7 8 20
  EXPECT_EQ(total(ranges), 6);
  EXPECT_EQ(pairs(part_of(ranges, {0, 6})), (Pairs{{2, 4}, {6, 9}, {20, 21}}));
  EXPECT_EQ(pairs(part_of(ranges, {1, 4})), (Pairs{{3, 4}, {6, 8}}));
  EXPECT_EQ(pairs(part_of(ranges, {5, 6})), (Pairs{{20, 21}}));
  EXPECT_EQ(pairs(part_of(ranges, {3, 3})), Pairs{});
  EXPECT_EQ(pairs(part_of({}, {0, 0})), Pairs{});
}

TEST(TokenLayout, OneRankHoldsAll) {
  const TokenLayout layout = TokenLayout::whole(7);
  EXPECT_EQ(layout.held(), 7);
  EXPECT_EQ(pairs(layout.rows()), (Pairs{{0, 7}}));
  EXPECT_TRUE(layout.whole_spans(7));
  EXPECT_FALSE(layout.whole_spans(3));
}

// The rows of the ranks of tp are even parts of what their rank of cp holds, in order.
TEST(TokenLayout, RowsOfTpShareWhatARankOfCpHolds) {
  TokenLayout layout;
  layout.tokens = 14;
  layout.of_rank = {{{0, 4}, {8, 11}}, {{4, 8}, {11, 14}}};
  layout.tp = 3;
  for (layout.cp_rank = 0; layout.cp_rank < 2; ++layout.cp_rank) {
    EXPECT_EQ(layout.held(), 7);
    Pairs all;
    std::int64_t least = 7, most = 0;
    for (layout.tp_rank = 0; layout.tp_rank < 3; ++layout.tp_rank) {
      const std::vector<Range> rows = layout.rows();
      least = std::min(least, total(rows)), most = std::max(most, total(rows));
      for (const auto& r : pairs(rows)) {
        const bool joins = !all.empty() && all.back().second == r.first;
        if (joins) all.back().second = r.second;
        if (!joins) all.push_back(r);
      }
    }
    EXPECT_EQ(all, pairs(layout.mine()));
    EXPECT_LE(most - least, 1);
  }
  EXPECT_FALSE(layout.whole_spans(4)) << "the second range ends inside a span";
}

}  // namespace
}  // namespace lact
