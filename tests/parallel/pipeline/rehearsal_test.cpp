// Calls of many ranks carried out on paper: sound ones come to their end, and every way to break a schedule is found.
#include <gtest/gtest.h>

#include <algorithm>

#include "parallel/pipeline/calls.hpp"

namespace lact {
namespace {

RankCall compute(double seconds, std::vector<std::string> takes = {}, std::vector<std::string> makes = {}) {
  RankCall c;
  c.what = "compute", c.seconds = seconds, c.takes = std::move(takes), c.makes = std::move(makes);
  return c;
}
RankCall begin(Axes along, const std::string& what, double seconds = 0) {
  return {RankCall::begin, along, what, {}, {}, {}, seconds};
}
RankCall finish(Axes along, const std::string& what) { return {RankCall::finish, along, what}; }
RankCall exchange(std::vector<Letter> letters) { return {RankCall::exchange, {}, "exchange", std::move(letters)}; }
RankCalls operator+(RankCalls a, const RankCalls& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
RankCalls blocking(Axes along, const std::string& what) { return {begin(along, what), finish(along, what)}; }

const Grid line{{1, 1, 2, 1}};
const Grid square{{1, 1, 2, 2}};

bool says(const Rehearsal& r, const std::string& words) { return r.fault.find(words) != std::string::npos; }

TEST(Rehearse, TransfersHideUnderCompute) {
  const RankCalls slow{compute(3), begin(Axis::cp, "sum", 2), compute(5), finish(Axis::cp, "sum")};
  const RankCalls fast{compute(1), begin(Axis::cp, "sum", 2), compute(1), finish(Axis::cp, "sum")};
  const Rehearsal r = rehearse(line, {slow, fast});
  EXPECT_EQ(r.fault, "");
  EXPECT_EQ(r.seconds, 8) << "the sum ends at 5, while the slow rank computes until 8";
  EXPECT_EQ(r.working, (std::vector<double>{8, 2}));
  EXPECT_EQ(rehearse(line, {fast, fast}).seconds, 3) << "here it does not hide";
}

TEST(Rehearse, SumsInTwoOrdersWaitForEver) {
  const RankCalls rows_first = blocking(Axis::cp, "rows") + blocking(Axis::tp, "columns");
  const RankCalls columns_first = blocking(Axis::tp, "columns") + blocking(Axis::cp, "rows");
  EXPECT_EQ(rehearse(square, {rows_first, rows_first, rows_first, rows_first}).fault, "");
  EXPECT_TRUE(says(rehearse(square, {rows_first, columns_first, columns_first, rows_first}), "for ever"));
  const RankCalls both_begun{begin(Axis::tp, "columns"), begin(Axis::cp, "rows"), finish(Axis::cp, "rows"),
                             finish(Axis::tp, "columns")};
  EXPECT_EQ(rehearse(square, {rows_first, rows_first, both_begun, both_begun}).fault, "")
      << "one begun early holds nobody up";
}

TEST(Rehearse, FaultsOfCollectives) {
  const RankCalls two = blocking(Axis::cp, "a") + blocking(Axis::cp, "b");
  EXPECT_TRUE(says(rehearse(line, {two, blocking(Axis::cp, "b") + blocking(Axis::cp, "a")}),
                   "on cp rank 1 calls b where rank 0 calls a"));
  EXPECT_TRUE(says(rehearse(line, {two, blocking(Axis::cp, "a")}), "rank 0 waits for ever in its call 3 (b)"));
  EXPECT_TRUE(says(rehearse(line, {{begin(Axis::cp, "a")}, {}}), "rank 0 begins a and others do not"));
  EXPECT_TRUE(says(rehearse(line, {{begin(Axis::cp, "a")}, blocking(Axis::cp, "a")}), "rank 0 never finishes a"));
}

TEST(Rehearse, FaultsOfMessages) {
  const RankCall made = compute(0, {}, {"x"}), used = compute(0, {"x"});
  const RankCall to = exchange({{1, true, "x"}}), from = exchange({{0, false, "x"}});
  EXPECT_EQ(rehearse(line, {{made, to}, {from, used}}).fault, "");
  EXPECT_TRUE(says(rehearse(line, {{to, made}, {from, used}}), "rank 0 needs x and does not hold it"));
  EXPECT_TRUE(says(rehearse(line, {{made, to}, {used, from}}), "rank 1 needs x and does not hold it"));
  EXPECT_TRUE(says(rehearse(line, {{made, to}, {from}}), "rank 1 never uses x"));
  EXPECT_TRUE(says(rehearse(line, {{}, {from, used}}), "rank 1 receives x from rank 0, which never answers"));
  EXPECT_TRUE(says(rehearse(line, {{made, to}, {}}), "rank 0 sends x to rank 1, which never answers"));
  EXPECT_TRUE(says(rehearse(line, {{made, to}, {exchange({{0, false, "y"}}), used}}), "where rank 0 sends x"));
}

TEST(Rehearse, MessagesInTwoOrdersWaitForEver) {
  const RankCall made = compute(0, {}, {"mine"}), used = compute(0, {"yours"});
  const RankCall made_there = compute(0, {}, {"yours"}), used_there = compute(0, {"mine"});
  const RankCall send = exchange({{1, true, "mine"}}), receive = exchange({{1, false, "yours"}});
  const RankCall send_there = exchange({{0, true, "yours"}}), receive_there = exchange({{0, false, "mine"}});
  EXPECT_TRUE(says(rehearse(line, {{made, send, receive, used}, {made_there, send_there, receive_there, used_there}}),
                   "never answers in its place"))
      << "both send first";
  const RankCall both = exchange({{1, true, "mine"}, {1, false, "yours"}});
  const RankCall both_there = exchange({{0, true, "yours"}, {0, false, "mine"}});
  EXPECT_EQ(rehearse(line, {{made, both, used}, {made_there, both_there, used_there}}).fault, "")
      << "grouped they pass each other";
}

// A stage as the model has it: two blocks with the sums of cp and the gathers and scatters of tp; gradients of dp in
// two buckets that begin in the backward and end behind it.
StageCalls stage_calls(bool recompute) {
  StageCalls s;
  RankCalls finishes;
  for (const char* block : {"block 0", "block 1"}) {
    const std::string b = block;
    s.forward = s.forward + blocking(Axis::tp, "gather " + b) + RankCalls{begin(Axis::cp, "sum " + b), compute(1)} +
                RankCalls{finish(Axis::cp, "sum " + b)} + blocking(Axis::tp, "scatter " + b);
    s.backward = s.backward + blocking(Axis::tp, "gather' " + b) + blocking(Axis::cp, "sum' " + b) +
                 RankCalls{compute(2)} + blocking(Axis::tp, "scatter' " + b);
    s.reduce.push_back(begin(Axes(Axis::dp) | Axis::cp, "bucket " + b));
    finishes.push_back(finish(Axes(Axis::dp) | Axis::cp, "bucket " + b));
  }
  s.reduce = s.reduce + finishes;
  s.recompute = recompute;
  return s;
}

Rehearsal rehearsed(const Grid& grid, const PipelineShape& shape, const std::vector<PipelineList>& lists) {
  return rehearse(grid, pipeline_calls(grid, shape, lists, [](int, int) { return stage_calls(false); }));
}

TEST(PipelineRehearsal, EveryShapeOnEveryGridComesToItsEnd) {
  for (const Grid& inner : {Grid{{1, 1, 1, 1}}, Grid{{1, 1, 2, 1}}, Grid{{1, 1, 1, 3}}, Grid{{1, 2, 3, 2}}})
    for (int ranks = 1; ranks <= 5; ++ranks)
      for (int micro : {1, 2, 3, 4, 6, 8})
        for (int chunks = 1; chunks <= (ranks == 1 || micro % ranks != 0 ? 1 : 3); ++chunks)
          for (bool recompute : {false, true}) {
            Grid grid = inner;
            grid.size[0] = ranks;
            const PipelineShape shape{ranks, micro, chunks};
            const auto calls =
                pipeline_calls(grid, shape, pipeline_lists(shape), [&](int, int) { return stage_calls(recompute); });
            EXPECT_EQ(rehearse(grid, calls).fault, "") << ranks << " " << micro << " " << chunks;
          }
}

// Stages of any lengths may delay a schedule, never stop it.
TEST(PipelineRehearsal, StagesOfAnyLengthComeToTheirEnd) {
  for (int seed = 0; seed < 50; ++seed) {
    const PipelineShape shape{2 + seed % 4, 2 * (2 + seed % 4), 1 + seed % 3};
    const Grid grid{{shape.ranks, 1, 1, 1}};
    const auto calls = pipeline_calls(grid, shape, pipeline_lists(shape), [&](int, int stage) {
      StageCalls s;
      s.forward = {compute(1 + (stage * 7 + seed) % 11)};
      s.backward = {compute(1 + (stage * 5 + seed) % 13)};
      return s;
    });
    EXPECT_EQ(rehearse(grid, calls).fault, "") << seed;
  }
}

// Every mutation at every place of every rank's list must be found.
class PipelineMutations : public ::testing::TestWithParam<PipelineShape> {
 protected:
  using Change = std::function<bool(PipelineList&, std::size_t)>;  // false: does not apply at this place
  int expect_found(const Change& change) {
    const PipelineShape shape = GetParam();
    const Grid grid{{shape.ranks, 1, 1, 1}};
    const auto sound = pipeline_lists(shape);
    int tried = 0;
    for (std::size_t r = 0; r < sound.size(); ++r)
      for (std::size_t i = 0; i < sound[r].size(); ++i) {
        auto lists = sound;
        if (!change(lists[r], i)) continue;
        ++tried;
        EXPECT_NE(rehearsed(grid, shape, lists).fault, "")
            << "rank " << r << " action " << i << ": " << text_of(lists[r]);
      }
    return tried;
  }
  static bool is_exchange(const PipelineAction& a) { return a.kind == PipelineAction::exchange; }
};

TEST_P(PipelineMutations, ADroppedOrDoubledActionIsFound) {
  EXPECT_GT(expect_found([](PipelineList& list, std::size_t i) { return list.erase(list.begin() + long(i)), true; }),
            0);
  EXPECT_GT(expect_found([](PipelineList& list, std::size_t i) {
              const PipelineAction twice = list[i];
              return list.insert(list.begin() + long(i), twice), true;
            }),
            0);
}

TEST_P(PipelineMutations, ADroppedMessageIsFound) {
  for (bool last : {false, true})
    EXPECT_GT(expect_found([&](PipelineList& list, std::size_t i) {
                auto& m = list[i].messages;
                if (m.empty()) return false;
                return m.erase(last ? m.end() - 1 : m.begin()), true;
              }),
              0);
}

TEST_P(PipelineMutations, AnExchangeBeforeWhatItSendsIsFound) {
  EXPECT_GT(expect_found([](PipelineList& list, std::size_t i) {
              if (i == 0 || !is_exchange(list[i])) return false;
              bool sends = std::ranges::any_of(list[i].messages, &PipelineMessage::send);
              std::swap(list[i - 1], list[i]);
              return sends;
            }),
            0);
}

TEST_P(PipelineMutations, AComputeBeforeWhatItNeedsIsFound) {
  EXPECT_GT(expect_found([](PipelineList& list, std::size_t i) {
              if (i + 1 >= list.size() || !is_exchange(list[i]) || is_exchange(list[i + 1])) return false;
              const PipelineAction& next = list[i + 1];
              bool forward = next.kind == PipelineAction::forward;
              bool needs = std::ranges::any_of(list[i].messages, [&](const PipelineMessage& m) {
                return !m.send && m.micro == next.micro && m.stage == (forward ? next.stage - 1 : next.stage + 1);
              });
              std::swap(list[i], list[i + 1]);
              return needs;
            }),
            0);
}

TEST_P(PipelineMutations, ABackwardBeforeItsForwardIsFound) {
  EXPECT_GT(expect_found([](PipelineList& list, std::size_t i) {
              if (list[i].kind != PipelineAction::forward) return false;
              auto back = std::ranges::find_if(list, [&](const PipelineAction& a) {
                return a.kind == PipelineAction::backward && a.stage == list[i].stage && a.micro == list[i].micro;
              });
              return std::swap(*back, list[i]), true;
            }),
            0);
}

// Two exchanges with the same wire in them; others may change places without harm.
TEST_P(PipelineMutations, AnExchangeInAnothersPlaceIsFound) {
  auto share_a_wire = [](const PipelineAction& a, const PipelineAction& b) {
    return std::ranges::any_of(a.messages, [&](const PipelineMessage& m) {
      return std::ranges::any_of(b.messages,
                                 [&](const PipelineMessage& n) { return m.peer == n.peer && m.send == n.send; });
    });
  };
  int tried = expect_found([&](PipelineList& list, std::size_t i) {
    auto other = std::find_if(list.begin() + long(i) + 1, list.end(),
                              [&](const PipelineAction& a) { return share_a_wire(a, list[i]); });
    if (other == list.end()) return false;
    return std::swap(*other, list[i]), true;
  });
  EXPECT_TRUE(tried > 0 || GetParam().micro_batches == 1);
}

TEST_P(PipelineMutations, AMessageOfTheWrongKindMicroBatchOrPeerIsFound) {
  const int ranks = GetParam().ranks;
  const std::vector<std::function<void(PipelineMessage&)>> ways{
      [](PipelineMessage& m) { ++m.micro; }, [](PipelineMessage& m) { ++m.stage; },
      [](PipelineMessage& m) { m.send = !m.send; }, [&](PipelineMessage& m) { m.peer = (m.peer + 1) % ranks; },
      [](PipelineMessage& m) {
        m.kind = m.kind == PipelineMessage::activation ? PipelineMessage::cotangent : PipelineMessage::activation;
      }};
  for (const auto& way : ways)
    EXPECT_GT(expect_found([&](PipelineList& list, std::size_t i) {
                if (list[i].messages.empty()) return false;
                return way(list[i].messages.front()), true;
              }),
              0);
}

INSTANTIATE_TEST_SUITE_P(Shapes, PipelineMutations,
                         ::testing::Values(PipelineShape{2, 1, 1}, PipelineShape{2, 4, 1}, PipelineShape{3, 5, 1},
                                           PipelineShape{4, 3, 1}, PipelineShape{2, 4, 2}, PipelineShape{3, 3, 3},
                                           PipelineShape{4, 4, 2}));

// One rank's collectives in a pp x cp x tp grid: left out, in another order, or without the recomputation.
TEST(GridMutations, ABrokenCollectiveOnOneRankIsFound) {
  const Grid grid{{2, 1, 2, 2}};
  const PipelineShape shape{2, 3, 1};
  for (bool recompute : {false, true}) {
    const auto sound =
        pipeline_calls(grid, shape, pipeline_lists(shape), [&](int, int) { return stage_calls(recompute); });
    ASSERT_EQ(rehearse(grid, sound).fault, "");
    for (std::size_t r = 0; r < sound.size(); r += 3)
      for (std::size_t i = 0; i < sound[r].size(); ++i) {
        if (sound[r][i].kind != RankCall::begin && sound[r][i].kind != RankCall::finish) continue;
        auto calls = sound;
        calls[r].erase(calls[r].begin() + long(i));
        EXPECT_NE(rehearse(grid, calls).fault, "") << "rank " << r << " without " << sound[r][i].what;
        auto next = std::find_if(sound[r].begin() + long(i) + 1, sound[r].end(), [&](const RankCall& c) {
          return c.kind == RankCall::begin && c.along == sound[r][i].along;
        });
        if (sound[r][i].kind == RankCall::finish || next == sound[r].end()) continue;
        calls = sound;
        std::swap(calls[r][i], calls[r][std::size_t(next - sound[r].begin())]);
        EXPECT_NE(rehearse(grid, calls).fault, "") << "rank " << r << " with another before " << sound[r][i].what;
      }
  }
  const auto one_rank_recomputes =
      pipeline_calls(grid, shape, pipeline_lists(shape), [](int rank, int) { return stage_calls(rank == 5); });
  EXPECT_NE(rehearse(grid, one_rank_recomputes).fault, "");
}

}  // namespace
}  // namespace lact
