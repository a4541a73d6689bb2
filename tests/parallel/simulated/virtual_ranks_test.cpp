// Ranks played by threads: the contract of a communicator, and the same bits on any number of processes.
#include "parallel/simulated/virtual_ranks.hpp"

#include <gtest/gtest.h>

#include "base/check.hpp"
#include "support/ranks.hpp"

namespace lact {
namespace {

constexpr int ranks = 12;  // divides over 1, 2, 3, 4 and 6 processes

std::vector<int> mine() {
  std::vector<int> out;
  for (int r = 0; r < ranks; ++r)
    if (r % world().size() == world().rank()) out.push_back(r);
  return out;
}
Device& device() {
  static const auto d = Device::open(Backend::cpu);
  return *d;
}
Tensor numbers(int rank, std::int64_t n) {
  std::vector<double> v;
  for (std::int64_t i = 0; i < n; ++i) v.push_back(double((i * 7 + rank * 31 + 3) % 101));
  return Tensor::of(device(), {n}, std::span<const double>(v), DType::f32);
}
double at(int rank, std::int64_t i) { return double((i * 7 + rank * 31 + 3) % 101); }
double sum_at(std::int64_t i) {
  double s = 0;
  for (int r = 0; r < ranks; ++r) s += at(r, i);
  return s;
}

void everywhere(const std::function<void(Communicator&)>& body) {
  play_ranks(world(), ranks, mine(), [&](std::unique_ptr<Communicator> c) { body(*c); });
}

TEST(VirtualRanks, KeepTheContract) {
  everywhere([](Communicator& c) {
    const int me = c.rank();
    ASSERT_EQ(c.size(), ranks);
    Tensor all = numbers(me, 5);
    c.all_reduce(all).wait();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(all.to_doubles()[std::size_t(i)], sum_at(i));
    std::vector<std::int64_t> counts;
    for (int r = 0; r < ranks; ++r) counts.push_back(r % 3);
    Tensor out = Tensor::zeros(device(), {ranks}), part = Tensor::zeros(device(), {me % 3});
    c.all_gather(out, numbers(me, me % 3), counts).wait();
    std::size_t place = 0;
    for (int r = 0; r < ranks; ++r)
      for (int i = 0; i < r % 3; ++i) EXPECT_EQ(out.to_doubles()[place++], at(r, i));
    c.reduce_scatter(part, numbers(me, ranks), counts).wait();
    std::int64_t before = 0;
    for (int r = 0; r < me; ++r) before += r % 3;
    for (int i = 0; i < me % 3; ++i) EXPECT_EQ(part.to_doubles()[std::size_t(i)], sum_at(before + i));
    Tensor given = numbers(me, 4);
    c.broadcast(given, 5).wait();
    EXPECT_EQ(given.to_doubles()[3], at(5, 3));
    Tensor turned = Tensor::zeros(device(), {ranks});
    c.all_to_all(turned, numbers(me, ranks)).wait();
    for (int r = 0; r < ranks; ++r) EXPECT_EQ(turned.to_doubles()[std::size_t(r)], at(r, me));
  });
}

TEST(VirtualRanks, SplitLinesAndMessages) {
  everywhere([](Communicator& c) {
    const int me = c.rank();
    auto line = c.split(me % 4, -me, "line");  // in falling order
    EXPECT_EQ(line->size(), 3);
    EXPECT_EQ(line->rank(), 2 - me / 4);
    Tensor one = numbers(me, 1);
    line->all_reduce(one).wait();
    EXPECT_EQ(one.item(), at(me % 4, 0) + at(me % 4 + 4, 0) + at(me % 4 + 8, 0));
    std::vector<Message> messages;  // even ranks send two to the next, which waits for them; others do nothing
    Tensor a = numbers(me, 2), b = numbers(me, 3);
    if (me % 4 == 0) messages = {{a, me + 1, true}, {b, me + 1, true}};
    if (me % 4 == 1) messages = {{a, me - 1, false}, {b, me - 1, false}};
    c.exchange(messages).wait();
    if (me % 4 == 1) {
      EXPECT_EQ(a.to_doubles()[1], at(me - 1, 1));
      EXPECT_EQ(b.to_doubles()[2], at(me - 1, 2));
    }
  });
}

TEST(VirtualRanks, AnErrorOfOneEndsAll) {
  const auto alone = self_communicator();
  auto body = [](std::unique_ptr<Communicator> c) {
    check(c->rank() != 1, "rank {} has had enough", c->rank());
    Tensor t = numbers(c->rank(), 1);
    c->all_reduce(t).wait();
  };
  EXPECT_THROW(play_ranks(*alone, 3, {0, 1, 2}, body), Error);
}

}  // namespace
}  // namespace lact
