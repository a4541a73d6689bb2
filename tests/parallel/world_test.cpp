// The ranks of a job: where they run, and what another thread can see of them.
#include <gtest/gtest.h>

#include <thread>

#include "parallel/world.hpp"
#include "support/ranks.hpp"

namespace lact {
namespace {

Device& device() {
  static const auto d = Device::open(Backend::cpu);
  return *d;
}
Tensor zeros(std::int64_t n) { return Tensor::zeros(device(), {n}); }

TEST(World, TheActivityNamesLineSequenceAndMembers) {
  Activity* a = world_info().activity;
  EXPECT_EQ(a == nullptr, world().size() == 1);
  if (!a) return;  // one rank waits for nobody
  const auto line = world().split(0, world().rank(), "watched");
  int number = -1;
  for (int i = 0; i < a->used; ++i)
    if (a->lines[std::size_t(i)].label == "watched") number = i;
  ASSERT_GE(number, 0);
  const Activity::Line& l = a->lines[std::size_t(number)];
  EXPECT_EQ(l.members.size(), std::size_t(world().size()));
  EXPECT_EQ(l.members.back(), world().size() - 1);
  EXPECT_EQ(l.begun, 0u);
  Work first = line->all_reduce(zeros(10)), second = line->all_gather(zeros(world().size()), zeros(1));
  EXPECT_EQ(l.begun, 2u);
  EXPECT_EQ(l.finished, 0u);
  second.wait();
  EXPECT_EQ(a->blocked.line, -1);
  EXPECT_EQ(a->blocked.sequence, 2u);
  EXPECT_EQ(a->blocked.op, Op::all_gather);
  first.wait();
  EXPECT_EQ(l.finished, 2u);
}

TEST(World, RanksOfAHostShareTheCoresThatNobodyBoundThemTo) {
  const int before = threads(), cores = int(std::thread::hardware_concurrency());
  share_threads(3, 2);
  EXPECT_EQ(threads(), 3) << "as asked";
  share_threads(0, 1);
  const int mine = threads();  // fewer than the cores where this rank is bound
  for (int ranks : {2, 3, 1000}) {
    share_threads(0, ranks);
    EXPECT_EQ(threads(), mine == cores ? std::max(1, cores / ranks) : mine);
  }
  set_threads(before);
}

TEST(World, InfoKnowsTheHost) {
  const WorldInfo& w = world_info();
  EXPECT_FALSE(w.host.empty());
  EXPECT_EQ(w.ranks, world().size());
  EXPECT_EQ(w.rank, world().rank());
  EXPECT_EQ(w.local_ranks, w.ranks);
  EXPECT_EQ(w.local_rank, w.rank);
  EXPECT_EQ(w.hosts, 1);
  EXPECT_EQ(w.library == "none", w.ranks == 1);
}

}  // namespace
}  // namespace lact
