// The order of updates and applications as data, and how its tokens are shared out over ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "layers/fast_weights/plan.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(TttPlan, ViewsUpdateOnTheInputsAndApplyToAll) {
  EXPECT_EQ(text_of(plan_views(40, 20)), "U[0,40) A[0,60)");
  EXPECT_EQ(text_of(plan_views(40, 0)), "U[0,40) A[0,40)");
}

TEST(TttPlan, CausalAppliesAChunkBeforeItUpdates) {
  EXPECT_EQ(text_of(plan_causal(7, 3)), "A[0,3) U[0,3) A[3,6) U[3,6) A[6,7)");
  EXPECT_EQ(text_of(plan_causal(6, 3)), "A[0,3) U[0,3) A[3,6)") << "the last chunk, whole or not, is only applied";
  EXPECT_EQ(text_of(plan_causal(3, 3)), "A[0,3)");
  EXPECT_EQ(text_of(plan_causal(2, 3)), "A[0,2)");
  EXPECT_EQ(text_of(plan_causal(2, 1)), "A[0,1) U[0,1) A[1,2)");
  EXPECT_EQ(text_of(plan_causal(0, 3)), "A[0,0)");
  EXPECT_THROW(plan_causal(7, 0), Error);
  EXPECT_THROW(plan_causal(7, -3), Error);
}

TEST(TttPlan, CausalCoversEveryTokenOnceInOrder) {
  for (std::int64_t tokens = 1; tokens < 40; ++tokens)
    for (std::int64_t chunk = 1; chunk < 45; ++chunk) {
      std::int64_t applied = 0, updated = 0;
      for (const TttEvent& e : plan_causal(tokens, chunk)) {
        std::int64_t& done = e.kind == TttEvent::apply ? applied : updated;
        EXPECT_EQ(e.tokens.begin, done);
        EXPECT_TRUE(e.kind == TttEvent::apply || e.tokens.end == applied)
            << "an update sees nothing that was not applied before";
        done = e.tokens.end;
      }
      EXPECT_EQ(applied, tokens);
      EXPECT_TRUE(updated < tokens && tokens - updated <= chunk);
    }
}

TEST(TttPlan, RangesAreClippedToTheSequence) {
  const TttPlan plan{
      {TttEvent::update, {0, 99}}, {TttEvent::apply, {30, 50}}, {TttEvent::apply, {-3, 4}}, {TttEvent::update, {9, 5}}};
  EXPECT_EQ(text_of(clipped(plan, 20)), "U[0,20) A[20,20) A[0,4) U[5,5)");
  for (std::int64_t tokens : {0, 1, 7, 100})
    for (const TttEvent& e : clipped(plan, tokens))
      EXPECT_TRUE(0 <= e.tokens.begin && e.tokens.begin <= e.tokens.end && e.tokens.end <= tokens);
  EXPECT_EQ(clipped(plan_causal(17, 5), 17), plan_causal(17, 5));
  EXPECT_EQ(text_of(TttPlan{}), "");
}

// Plans of every kind, and sequences of awkward lengths.
struct Sequence {
  TttPlan plan;
  std::int64_t tokens = 0;
};
std::vector<Sequence> sequences() {
  return {{plan_views(12, 8), 20},
          {plan_views(3, 0), 3},
          {plan_causal(19, 4), 19},
          {{{TttEvent::apply, {0, 12}}, {TttEvent::update, {0, 12}}}, 12},
          {{{TttEvent::update, {0, 9}}, {TttEvent::apply, {3, 17}}, {TttEvent::update, {5, 17}}}, 17},
          {{{TttEvent::update, {0, 0}}, {TttEvent::apply, {0, 1}}, {TttEvent::update, {2, 99}}}, 5},
          {{}, 7},
          {plan_causal(0, 3), 0}};
}

std::int64_t held_of(const std::vector<Range>& held, Range tokens) {
  std::int64_t n = 0;
  for (const Range& r : held)
    n += std::max<std::int64_t>(0, std::min(r.end, tokens.end) - std::max(r.begin, tokens.begin));
  return n;
}

std::string text_of_ranges(const std::vector<Range>& ranges) {
  std::string out;
  for (const Range& r : ranges) out += fill("[{},{})", {r.begin, r.end});
  return out;
}

TEST(Share, TheSmallestOnesInFull) {
  const TttPlan views = plan_views(4, 4);  // U[0,4) A[0,8): segments [0,4) and [4,8)
  EXPECT_EQ(text_of_ranges(share(views, 8, 0, 2)), "[0,2)[4,6)");
  EXPECT_EQ(text_of_ranges(share(views, 8, 1, 2)), "[2,4)[6,8)");
  EXPECT_EQ(text_of_ranges(share(views, 8, 0, 1)), "[0,8)") << "neighbouring parts are one range";
  EXPECT_EQ(text_of_ranges(share({}, 5, 2, 3)), "[3,5)");
  EXPECT_EQ(text_of_ranges(share(views, 0, 1, 2)), "");
}

TEST(Share, EveryTokenHasOneRank) {
  for (const Sequence& s : sequences())
    for (int ranks = 1; ranks <= 9; ++ranks) {
      std::vector<int> holders(std::size_t(s.tokens), 0);
      for (int rank = 0; rank < ranks; ++rank) {
        std::int64_t end = 0;
        for (const Range& r : share(s.plan, s.tokens, rank, ranks)) {
          EXPECT_TRUE(end <= r.begin && r.begin < r.end && r.end <= s.tokens) << "ascending, apart, and none empty";
          end = r.end;
          for (std::int64_t t = r.begin; t < r.end; ++t) ++holders[std::size_t(t)];
        }
      }
      EXPECT_EQ(holders, std::vector<int>(std::size_t(s.tokens), 1)) << text_of(s.plan) << " on " << ranks;
    }
}

// The borders of events cut the sequence into segments, whose parts differ by at most one token; so the parts of an
// event differ by at most the segments that it spans.
TEST(Share, RanksWorkAlikeInEveryEvent) {
  for (const Sequence& s : sequences())
    for (int ranks = 1; ranks <= 9; ++ranks) {
      const TttPlan plan = clipped(s.plan, s.tokens);
      for (const TttEvent& e : plan) {
        std::set<std::int64_t> borders{e.tokens.begin, e.tokens.end};
        for (const TttEvent& other : plan)
          for (std::int64_t at : {other.tokens.begin, other.tokens.end})
            if (e.tokens.begin < at && at < e.tokens.end) borders.insert(at);
        std::int64_t least = s.tokens, most = 0;
        for (int rank = 0; rank < ranks; ++rank) {
          const std::int64_t n = held_of(share(s.plan, s.tokens, rank, ranks), e.tokens);
          least = std::min(least, n), most = std::max(most, n);
        }
        EXPECT_LE(most - least, std::int64_t(borders.size()) - 1) << text_of(plan) << " on " << ranks;
      }
    }
}

TEST(Share, ViewsThatDivideStayWhole) {
  const std::int64_t view = 4;
  for (int ranks : {1, 2, 3, 6})  // of 6 input views and 12 target views
    for (int rank = 0; rank < ranks; ++rank)
      for (const Range& r : share(plan_views(6 * view, 12 * view), 18 * view, rank, ranks))
        EXPECT_TRUE(r.begin % view == 0 && r.end % view == 0) << rank << " of " << ranks;
}

TEST(LocalPlan, CountsPlacesAmongTheTokensHeld) {
  const std::vector<Range> held{{2, 4}, {6, 8}};  // tokens 2 3 6 7 have the places 0 1 2 3
  EXPECT_EQ(text_of(local_plan(plan_views(4, 4), held)), "U[0,2) A[0,4)");
  const TttPlan plan{{TttEvent::apply, {0, 2}}, {TttEvent::update, {3, 7}}, {TttEvent::apply, {4, 6}}};
  EXPECT_EQ(text_of(local_plan(plan, held)), "A[0,0) U[1,3) A[2,2)")
      << "events without tokens stay: others wait in them";
  EXPECT_EQ(text_of(local_plan(plan, {})), "A[0,0) U[0,0) A[0,0)");
}

TEST(LocalPlan, KeepsEveryEventAndItsTokensOnEveryRank) {
  for (const Sequence& s : sequences())
    for (int ranks = 1; ranks <= 5; ++ranks) {
      const TttPlan whole = clipped(s.plan, s.tokens);
      std::vector<std::int64_t> tokens(whole.size(), 0);  // of each event, over all ranks
      for (int rank = 0; rank < ranks; ++rank) {
        const auto held = share(s.plan, s.tokens, rank, ranks);
        const TttPlan mine = local_plan(whole, held);
        ASSERT_EQ(mine.size(), whole.size());
        for (std::size_t i = 0; i < whole.size(); ++i) {
          EXPECT_EQ(mine[i].kind, whole[i].kind);
          EXPECT_EQ(mine[i].tokens.size(), held_of(held, whole[i].tokens));
          tokens[i] += mine[i].tokens.size();
        }
      }
      for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(tokens[i], whole[i].tokens.size());
      EXPECT_EQ(local_plan(whole, std::vector<Range>{{0, s.tokens}}), whole) << "one rank has the plan itself";
    }
}

TEST(AppliedRows, StandInTheOrderOfTheOutputs) {
  EXPECT_EQ(text_of_ranges(applied_rows(plan_views(4, 4), std::vector<Range>{{0, 2}, {4, 6}})), "[0,2)[4,6)");
  const TttPlan twice{{TttEvent::apply, {2, 4}}, {TttEvent::update, {0, 4}}, {TttEvent::apply, {0, 4}}};
  EXPECT_EQ(text_of_ranges(applied_rows(twice, std::vector<Range>{{0, 3}})), "[0,1)[2,5)");
  EXPECT_EQ(text_of_ranges(applied_rows(twice, {})), "");
}

TEST(AppliedRows, OfAllRanksAreEveryRowOnce) {
  for (const Sequence& s : sequences())
    for (int ranks = 1; ranks <= 5; ++ranks) {
      const TttPlan plan = clipped(s.plan, s.tokens);
      std::int64_t outputs = 0;
      for (const TttEvent& e : plan) outputs += e.kind == TttEvent::apply ? e.tokens.size() : 0;
      std::vector<int> seen(std::size_t(outputs), 0);
      for (int rank = 0; rank < ranks; ++rank)
        for (const Range& r : applied_rows(plan, share(s.plan, s.tokens, rank, ranks)))
          for (std::int64_t row = r.begin; row < r.end; ++row) ++seen.at(std::size_t(row));
      EXPECT_EQ(seen, std::vector<int>(std::size_t(outputs), 1)) << text_of(plan) << " on " << ranks;
    }
}

}  // namespace
}  // namespace lact
