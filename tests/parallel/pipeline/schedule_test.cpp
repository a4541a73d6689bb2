// The lists of a pipeline: their order, their peak, their bubble; and blocks cut into stages.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "base/random.hpp"
#include "parallel/pipeline/calls.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

constexpr double forward_seconds = 1, backward_seconds = 2;

std::vector<PipelineShape> many_shapes() {
  std::vector<PipelineShape> shapes;
  for (int ranks = 1; ranks <= 6; ++ranks)
    for (int micro = 1; micro <= 13; ++micro)
      for (int chunks = 1; chunks <= (ranks == 1 || micro % ranks != 0 ? 1 : 4); ++chunks)
        shapes.push_back({ranks, micro, chunks});
  return shapes;
}

std::string name_of(const PipelineShape& s) {
  return sentence("{} ranks, {} micro-batches, {} chunks", s.ranks, s.micro_batches, s.chunks);
}

RankCall work(double seconds) {
  RankCall c;
  c.seconds = seconds;
  return c;
}

// A line of ranks whose stages take a chunk's share of the times above.
Rehearsal timed(const PipelineShape& s) {
  StageCalls stage;
  stage.forward = {work(forward_seconds / s.chunks)};
  stage.backward = {work(backward_seconds / s.chunks)};
  const Grid grid{{s.ranks, 1, 1, 1}};
  return rehearse(grid, pipeline_calls(grid, s, pipeline_lists(s), [&](int, int) { return stage; }));
}

TEST(PipelineSchedule, TheSmallestOnesInFull) {
  const auto two = pipeline_lists({2, 3, 1});
  EXPECT_EQ(text_of(two[0]), "F0.0 [>a0.0] F1.0 [>a1.0 <c0.1] B0.0 F2.0 [>a2.0 <c1.1] B1.0 [<c2.1] B2.0");
  EXPECT_EQ(text_of(two[1]), "[<a0.0] F0.1 [<a1.0] B0.1 [>c0.1] F1.1 B1.1 [<a2.0 >c1.1] F2.1 B2.1 [>c2.1]");
  EXPECT_EQ(text_of(pipeline_lists({1, 2, 1})[0]), "F0.0 B0.0 F1.0 B1.0")
      << "one rank: one micro-batch after the other";
  EXPECT_EQ(text_of(pipeline_lists({2, 2, 2})[1]),
            "[<a0.0] F0.1 [<a1.0 >a0.1] F1.1 [<a0.2 >a1.1] F0.3 [<a1.2] B0.3 [>c0.3] F1.3 [<c0.2] B1.3 [>c1.3] B0.1 "
            "[<c1.2 >c0.1] B1.1 [>c1.1]");
}

TEST(PipelineSchedule, EveryPieceRunsForwardAndThenBackwardOnItsRank) {
  for (const PipelineShape& s : many_shapes()) {
    const auto lists = pipeline_lists(s);
    ASSERT_EQ(lists.size(), std::size_t(s.ranks));
    for (int r = 0; r < s.ranks; ++r) {
      std::set<std::pair<int, int>> forward, backward;
      for (const PipelineAction& a : lists[std::size_t(r)]) {
        if (a.kind == PipelineAction::exchange) continue;
        EXPECT_EQ(s.rank_of(a.stage), r);
        const std::pair piece(a.stage, a.micro);
        const bool is_forward = a.kind == PipelineAction::forward;
        EXPECT_TRUE((is_forward ? forward : backward).insert(piece).second) << name_of(s);
        EXPECT_TRUE(is_forward || forward.contains(piece)) << name_of(s);
      }
      EXPECT_EQ(forward.size(), std::size_t(s.chunks * s.micro_batches));
      EXPECT_EQ(backward.size(), forward.size());
    }
  }
}

TEST(PipelineSchedule, LiveMicroBatchesAreThoseOf1F1B) {
  for (const PipelineShape& s : many_shapes())
    for (int r = 0; r < s.ranks; ++r) {
      const int behind = s.ranks - 1 - r, peak = peak_live(pipeline_lists(s)[std::size_t(r)]);
      const int most = s.chunks == 1 ? behind + 1 : 2 * behind + (s.chunks - 1) * s.ranks + 1;
      EXPECT_LE(peak, most) << name_of(s);
      EXPECT_TRUE(s.chunks > 1 || peak == std::min(s.micro_batches, most)) << name_of(s);
    }
}

TEST(PipelineSchedule, TheBubbleIsThatOfTheFormula) {
  for (const PipelineShape& s : many_shapes()) {
    const Rehearsal r = timed(s);
    ASSERT_EQ(r.fault, "") << name_of(s);
    const double busy = (forward_seconds + backward_seconds) * s.micro_batches;
    for (double w : r.working) EXPECT_NEAR(w, busy, 1e-9 * busy);
    const double formula = busy / (1 - pipeline_bubble(s));
    // with chunks a value may wait for one that shares its exchange, at most for the forward of a chunk
    const double wait = s.chunks == 1 ? 0 : forward_seconds / s.chunks;
    EXPECT_GE(r.seconds, formula * (1 - 1e-9)) << name_of(s);
    EXPECT_LE(r.seconds, (formula + wait) * (1 + 1e-9)) << name_of(s);
  }
}

TEST(PipelineSchedule, SteadyStateSendsAndReceivesAtOnce) {
  for (const PipelineShape& s : {PipelineShape{2, 8, 1}, {4, 12, 1}, {3, 9, 2}, {4, 8, 3}})
    for (const PipelineList& list : pipeline_lists(s)) {
      int both = 0;
      for (const PipelineAction& a : list) {
        auto sends = std::ranges::count_if(a.messages, &PipelineMessage::send);
        both += sends > 0 && sends < std::ssize(a.messages);
      }
      EXPECT_GE(both, s.micro_batches - s.ranks) << name_of(s);
    }
}

TEST(PipelineSchedule, ImpossibleShapesAreRefused) {
  const auto none = [] { pipeline_lists({2, 0, 1}); };
  EXPECT_EQ(sentence_of(none), "a pipeline of 2 ranks with 0 micro-batches and 1 chunks");
  EXPECT_THROW(pipeline_lists({0, 1, 1}), Error);
  EXPECT_THROW(pipeline_lists({1, 1, 0}), Error);
  EXPECT_THROW(pipeline_lists({1, 2, 2}), Error);
  const auto odd = [] { pipeline_lists({2, 3, 2}); };
  EXPECT_EQ(sentence_of(odd),
            "an interleaved pipeline needs micro-batches in multiples of its ranks, and there are 3 for 2");
}

double dearest(const std::vector<double>& costs, double first, double last, const std::vector<Range>& split) {
  double most = 0;
  for (std::size_t s = 0; s < split.size(); ++s) {
    double cost = (s == 0 ? first : 0) + (s + 1 == split.size() ? last : 0);
    for (std::int64_t b = split[s].begin; b < split[s].end; ++b) cost += costs[std::size_t(b)];
    most = std::max(most, cost);
  }
  return most;
}

// Every way to cut, one bit per gap between two blocks.
double best_of_all(const std::vector<double>& costs, double first, double last, int stages) {
  double best = 1e300;
  for (unsigned gaps = 0; gaps < (1u << (costs.size() - 1)); ++gaps) {
    if (std::popcount(gaps) != stages - 1) continue;
    std::vector<Range> split{{0, 1}};
    for (std::size_t b = 1; b < costs.size(); ++b) {
      if (gaps >> (b - 1) & 1u) split.push_back({split.back().end, split.back().end});
      ++split.back().end;
    }
    best = std::min(best, dearest(costs, first, last, split));
  }
  return best;
}

TEST(SplitBlocks, TheDearestStageCostsLeast) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::uint64_t key = random_key(seed, "blocks");
    std::vector<double> costs;
    for (std::int64_t b = 0; b < 1 + std::int64_t(seed % 9); ++b) costs.push_back(std::floor(10 * uniform(key, b)));
    const double first = std::floor(20 * uniform(key, 100)), last = std::floor(20 * uniform(key, 101));
    for (int stages = 1; stages <= int(costs.size()); ++stages) {
      const auto split = split_blocks(costs, first, last, stages);
      ASSERT_EQ(split.size(), std::size_t(stages));
      std::int64_t at = 0;
      for (const Range& r : split) {
        EXPECT_EQ(r.begin, at);
        EXPECT_FALSE(r.empty());
        at = r.end;
      }
      EXPECT_EQ(at, std::ssize(costs));
      EXPECT_EQ(dearest(costs, first, last, split), best_of_all(costs, first, last, stages)) << "seed " << seed;
    }
  }
}

TEST(SplitBlocks, OfEqualsTheFrontHasFewer) {
  const std::vector<double> five(5, 1.0);
  EXPECT_EQ(split_blocks(five, 0, 0, 2), (std::vector<Range>{{0, 2}, {2, 5}}));
  EXPECT_EQ(split_blocks(five, 0, 0, 3), (std::vector<Range>{{0, 1}, {1, 3}, {3, 5}}));
  EXPECT_EQ(split_blocks(five, 0, 2, 2), (std::vector<Range>{{0, 3}, {3, 5}})) << "the head counts";
  EXPECT_EQ(split_blocks(five, 0, 0, 5).size(), 5u);
}

TEST(SplitBlocks, TooManyStagesAreRefused) {
  const auto split = [] { split_blocks(std::vector<double>{1, 1}, 0, 0, 3); };
  EXPECT_EQ(sentence_of(split), "2 blocks do not make 3 stages of at least one");
}

}  // namespace
}  // namespace lact
