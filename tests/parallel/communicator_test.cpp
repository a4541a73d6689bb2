// One contract for every transport: each collective against the formula that says what it is, on all ranks that were
// started, with uneven and empty parts, many calls in flight, and ranks that are late.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "parallel/launch/launcher.hpp"
#include "parallel/together.hpp"
#include "support/far_device.hpp"
#include "support/ranks.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

enum class Kind : std::uint8_t { self, messages, window, staged, nccl };
using Counts = std::vector<std::int64_t>;

// LACT_TEST_DEVICE=cuda asks for the transports of a GPU's numbers, on GPUs; NCCL where each rank has its own.
std::vector<Kind> kinds() {
  if (tested_backend() == Backend::cpu) return {Kind::self, Kind::messages, Kind::window, Kind::staged};
  if (launch_of().ranks > Device::present(Backend::cuda)) return {Kind::staged};
  return {Kind::staged, Kind::nccl};
}

bool far = false;  // where the numbers of this test live
Device& device() {
  static const auto here = Device::open(Backend::cpu);
  static const auto there =
      tested_backend() == Backend::cuda ? device_of_rank(Backend::cuda) : std::make_unique<FarDevice>();
  return far ? *there : *here;
}
// What rank r holds at position i: small whole numbers, so that every order of summation gives the same.
double held(int r, std::int64_t i) { return double((i * 7 + r * 31 + 3) % 101); }
Tensor numbers_of(int r, std::int64_t n, DType t = DType::f32) {
  std::vector<double> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = held(r, std::int64_t(i));
  return Tensor::of(device(), {n}, std::span<const double>(v), t);
}
Tensor blank(std::int64_t n, DType t = DType::f32) { return Tensor::zeros(device(), {n}, t); }
Counts uneven(int ranks) {  // with an empty part, also where there is one rank besides
  Counts c;
  for (int r = 0; r < ranks; ++r) c.push_back(r == 1 ? 0 : 3 + 5 * r);
  return c;
}
std::int64_t total(const Counts& c) { return std::accumulate(c.begin(), c.end(), std::int64_t(0)); }
std::int64_t before(const Counts& c, int r) { return std::accumulate(c.begin(), c.begin() + r, std::int64_t(0)); }

class Contract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    const Transport t = GetParam() == Kind::messages ? Transport::messages : Transport::best;
    c_ = GetParam() == Kind::self ? self_communicator() : with_transport(world(), t, "test");
    n_ = c_->size(), me_ = c_->rank();
    far = GetParam() == Kind::staged || GetParam() == Kind::nccl;
    if (GetParam() == Kind::nccl) c_->meet_on(device());
  }
  void TearDown() override { far = false; }
  // Sizes: none, one, odd, and more than all slots of a window together.
  static constexpr std::int64_t sizes[] = {0, 1, 5, 1000, 400'003};
  double sum_at(std::int64_t i) const {
    double s = 0;
    for (int r = 0; r < n_; ++r) s += held(r, i);
    return s;
  }
  void expect_sums(const Tensor& x) const {
    const auto got = x.to_doubles();
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], sum_at(std::int64_t(i))) << i;
  }
  std::unique_ptr<Communicator> c_;
  int n_ = 1, me_ = 0;
};
const char* name_of(Kind k) {
  constexpr std::array names{"self", "messages", "window", "staged", "nccl"};
  return names[std::size_t(k)];
}
INSTANTIATE_TEST_SUITE_P(Transports, Contract, testing::ValuesIn(kinds()),
                         [](const auto& p) { return std::string(name_of(p.param)); });

TEST_P(Contract, ATransportIsWhatWasAskedFor) {
  const std::string found = c_->transport();
  if (n_ == 1)
    EXPECT_EQ(found, "self");
  else
    EXPECT_EQ(found, GetParam() == Kind::messages ? "messages" : GetParam() == Kind::nccl ? "nccl" : "window");
}

TEST_P(Contract, RanksThatShareAGpuGoThroughTheHost) {
  if (GetParam() != Kind::nccl || n_ == 1) return;
  const auto line = c_->split(0, me_, "shared");
  EXPECT_STRNE(line->transport(), "nccl") << "until it has met on a device";
  const auto first = Device::open(Backend::cuda, 0);
  line->meet_on(*first);
  EXPECT_STRNE(line->transport(), "nccl");
  const Tensor x = Tensor::of(*first, {3}, std::vector<double>{1, 2, 3});
  line->all_reduce(x).wait();
  EXPECT_EQ(x.to_doubles(), (std::vector<double>{1.0 * n_, 2.0 * n_, 3.0 * n_}));
}

TEST_P(Contract, AllReduceGivesEveryRankTheSum) {
  for (std::int64_t size : sizes)
    for (DType t : {DType::f32, DType::f64, DType::i32}) {
      const Tensor x = numbers_of(me_, size, t);
      dawdle(*c_);
      c_->all_reduce(x).wait();
      const auto got = x.to_doubles();
      for (std::int64_t i = 0; i < size; ++i) ASSERT_EQ(got[std::size_t(i)], sum_at(i)) << i << " of " << size;
    }
}

TEST_P(Contract, AMaximumKeepsTheLargestAndNaN) {
  std::vector<double> mine = numbers_of(me_, 1003).to_doubles();
  if (me_ == n_ - 1) mine[17] = std::nan("");
  const Tensor x = Tensor::of(device(), {1003}, std::span<const double>(mine), DType::f32);
  c_->all_reduce(x, Reduce::max).wait();
  const auto maxima = x.to_doubles();
  for (std::int64_t i = 0; i < 1003; ++i) {
    double largest = 0;
    for (int r = 0; r < n_; ++r) largest = std::max(largest, held(r, i));
    const auto got = float(maxima[std::size_t(i)]);
    ASSERT_TRUE(i == 17 ? std::isnan(got) : got == float(largest)) << i;
  }
}

TEST_P(Contract, AllGatherJoinsThePartsOfAnyType) {
  for (DType t : {DType::f32, DType::f64, DType::i32, DType::u8, DType::bf16})
    for (std::int64_t size : sizes) {
      const Tensor all = blank(size * n_, t);
      c_->all_gather(all, numbers_of(me_, size, t)).wait();
      const auto got = all.to_doubles();
      for (int r = 0; r < n_; ++r)
        for (std::int64_t i = 0; i < size; ++i) ASSERT_EQ(got[std::size_t(r * size + i)], held(r, i)) << r << " " << i;
    }
}

TEST_P(Contract, UnevenPartsMayBeEmpty) {
  for (std::int64_t times : {1, 20'011}) {
    Counts counts = uneven(n_);
    for (auto& k : counts) k *= times;
    const Tensor all = blank(total(counts)), mine = numbers_of(me_, counts[std::size_t(me_)]);
    c_->all_gather(all, mine, counts).wait();
    const auto joined = all.to_doubles();
    for (int r = 0; r < n_; ++r)
      for (std::int64_t i = 0; i < counts[std::size_t(r)]; ++i)
        ASSERT_EQ(joined[std::size_t(before(counts, r) + i)], held(r, i)) << r << " " << i;
    const Tensor part = blank(counts[std::size_t(me_)]);
    c_->reduce_scatter(part, numbers_of(me_, total(counts)), counts).wait();
    const auto sums = part.to_doubles();
    for (std::int64_t i = 0; i < part.count(); ++i)
      ASSERT_EQ(sums[std::size_t(i)], sum_at(before(counts, me_) + i)) << i;
  }
}

TEST_P(Contract, GatherAndScatterWorkInPlace) {
  const std::int64_t size = 70'001;
  const Tensor all = numbers_of(me_, size * n_);
  const Tensor mine = all.cut(0, {me_ * size, (me_ + 1) * size});
  c_->reduce_scatter(mine, all).wait();
  const auto sums = mine.to_doubles();
  for (std::int64_t i = 0; i < size; ++i) ASSERT_EQ(sums[std::size_t(i)], sum_at(me_ * size + i)) << i;
  c_->all_gather(all, mine).wait();
  const auto joined = all.to_doubles();
  for (std::int64_t i = 0; i < size * n_; ++i) ASSERT_EQ(joined[std::size_t(i)], sum_at(i)) << i;
}

TEST_P(Contract, TheOwnerGetsTheSumAndTheOthersKeepTheirNumbers) {
  for (int owner = 0; owner < n_; ++owner)
    for (std::int64_t size : sizes) {
      const Tensor x = numbers_of(me_, size, DType::f64);
      dawdle(*c_, 0.3);
      c_->reduce_to(x, owner).wait();
      const auto got = x.to_doubles();
      for (std::int64_t i = 0; i < size; ++i)
        ASSERT_EQ(got[std::size_t(i)], me_ == owner ? sum_at(i) : held(me_, i)) << i << " of " << size;
    }
}

TEST_P(Contract, ABroadcastComesFromItsOwner) {
  for (DType t : {DType::f32, DType::bf16, DType::u8})
    for (int owner = 0; owner < n_; ++owner)
      for (std::int64_t size : sizes) {
        const Tensor x = numbers_of(me_, size, t);
        c_->broadcast(x, owner).wait();
        const auto got = x.to_doubles();
        for (std::int64_t i = 0; i < size; ++i) ASSERT_EQ(got[std::size_t(i)], held(owner, i)) << i << " of " << size;
      }
}

TEST_P(Contract, AllToAllTransposesTheParts) {
  for (std::int64_t size : sizes) {
    const Tensor got = blank(size * n_);
    c_->all_to_all(got, numbers_of(me_, size * n_)).wait();
    const auto turned = got.to_doubles();
    for (int r = 0; r < n_; ++r)
      for (std::int64_t i = 0; i < size; ++i)
        ASSERT_EQ(turned[std::size_t(r * size + i)], held(r, me_ * size + i)) << r << " " << i;
  }
}

TEST_P(Contract, AllToAllOfUnevenPartsIsUndoneByItsTranspose) {
  const auto n = std::size_t(n_), me = std::size_t(me_);
  Counts there(n * n), back(n * n);  // from a to b: uneven, some of them empty
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = 0; b < n; ++b) back[b * n + a] = there[a * n + b] = std::int64_t((a * 3 + b) % 4) * 9'001;
  std::int64_t sent = 0, received = 0;
  for (std::size_t p = 0; p < n; ++p) sent += there[me * n + p], received += there[p * n + me];
  const Tensor x = numbers_of(me_, sent, DType::bf16), moved = blank(received, DType::bf16),
               again = blank(sent, DType::bf16);
  c_->all_to_all(moved, x, there).wait();
  std::int64_t at = 0;
  const auto got = moved.to_doubles();
  for (std::size_t r = 0; r < n; ++r) {
    std::int64_t from = 0;
    for (std::size_t p = 0; p < me; ++p) from += there[r * n + p];
    for (std::int64_t i = 0; i < there[r * n + me]; ++i, ++at)
      ASSERT_EQ(got[std::size_t(at)], held(int(r), from + i)) << r << " " << i;
  }
  c_->all_to_all(again, moved, back).wait();
  EXPECT_EQ(again.to_doubles(), x.to_doubles());
}

TEST_P(Contract, MessagesBetweenTwoRanksArriveInOrder) {
  // Two messages to the next rank in a ring, the second of another type and so long that it must be waited for, and an
  // empty one, which need not have a partner.
  const int next = (me_ + 1) % n_, last = (me_ + n_ - 1) % n_;
  const Tensor first = blank(3), second = blank(300'000, DType::u8);
  const std::vector<Message> messages{{numbers_of(me_, 3), next, true},
                                      {numbers_of(me_ + 1, 300'000, DType::u8), next, true},
                                      {blank(0), next, true},
                                      {first, last, false},
                                      {second, last, false}};
  Work work = c_->exchange(messages);
  dawdle(*c_);
  work.wait();
  const auto one = first.to_doubles(), two = second.to_doubles();
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(one[std::size_t(i)], held(last, i));
  for (std::int64_t i = 0; i < 300'000; ++i) ASSERT_EQ(two[std::size_t(i)], held(last + 1, i));
}

TEST_P(Contract, ManyCallsAreInFlightAndRanksWaitInTheirOwnOrder) {
  constexpr int calls = 12;
  const std::int64_t size = 30'011;
  std::vector<Tensor> sums, gathered;
  std::vector<Work> works;
  for (int k = 0; k < calls; ++k) {
    sums.push_back(numbers_of(me_ + k, size)), gathered.push_back(blank(size * n_));
    dawdle(*c_, 0.2);
    works.push_back(c_->all_reduce(sums.back()));
    works.push_back(c_->all_gather(gathered.back(), numbers_of(me_ + k, size)));
  }
  for (std::size_t k = 0; k < works.size(); ++k) {
    dawdle(*c_, 0.2);
    works[me_ % 2 == 0 ? k : works.size() - 1 - k].wait();
  }
  for (int k = 0; k < calls; ++k) {
    const auto added = sums[std::size_t(k)].to_doubles(), joined = gathered[std::size_t(k)].to_doubles();
    for (std::int64_t i = 0; i < size; ++i) {
      double sum = 0;
      for (int r = 0; r < n_; ++r) sum += held(r + k, i);
      ASSERT_EQ(added[std::size_t(i)], sum) << "call " << k << " at " << i;
      ASSERT_EQ(joined[std::size_t((n_ - 1) * size + i)], held(n_ - 1 + k, i));
    }
  }
}

TEST_P(Contract, TwoCommunicatorsAreWaitedForInOppositeOrders) {
  const auto other = c_->split(0, -me_, "turned");  // the same ranks in reverse
  EXPECT_EQ(other->rank(), n_ - 1 - me_);
  const Tensor a = numbers_of(me_, 200'000), b = numbers_of(me_, 200'000);
  Work one = c_->all_reduce(a), two = other->all_reduce(b);
  if (me_ % 2 == 0) std::swap(one, two);
  one.wait(), two.wait();
  expect_sums(a), expect_sums(b);
}

TEST_P(Contract, WorkIsCompletedByItsLastOwner) {
  const Tensor x = numbers_of(me_, 50'000), y = numbers_of(me_, 50'000);
  { const Work dropped = c_->all_reduce(x); }
  expect_sums(x);
  Work one = c_->all_reduce(y), copy = one;
  copy.wait(), copy.wait(), one.wait();
  expect_sums(y);
  Work().wait();
}

TEST_P(Contract, WorkHoldsItsTensors) {
  const Tensor all = blank(1000 * n_);
  Work work = c_->all_gather(all, numbers_of(me_, 1000));
  for (int k = 0; k < 8; ++k) numbers_of(k + 50, 1000);  // would take the bytes of the gathered tensor
  work.wait();
  const auto joined = all.to_doubles();
  for (int r = 0; r < n_; ++r) ASSERT_EQ(joined[std::size_t(r * 1000 + 999)], held(r, 999));
}

// The sums of ranks [low, high) along the binary tree over rank numbers.
float tree_of(const std::vector<std::vector<float>>& x, std::size_t i, std::size_t low, std::size_t high) {
  if (high - low == 1) return x[low][i];
  const std::size_t middle = low + std::bit_ceil(high - low) / 2;
  return tree_of(x, i, low, middle) + tree_of(x, i, middle, high);
}
std::vector<float> awkward(int r, std::size_t n) {  // rounded differently in every order
  std::vector<float> v(n);
  for (std::size_t i = 0; i < n; ++i)
    v[i] = std::sin(float(i * 13 + 7)) * std::exp(float((int(i) * 5 + r * 3) % 17) - 8);
  return v;
}

TEST_P(Contract, SumsFollowTheTreeOverRanksToTheLastBit) {
  const std::size_t size = 100'003;
  std::vector<std::vector<float>> x;
  for (int r = 0; r < n_; ++r) x.push_back(awkward(r, size));
  const std::vector<float>& mine = x[std::size_t(me_)];
  const Tensor reduced = Tensor::of(device(), {std::int64_t(size)}, mine),
               owned = Tensor::of(device(), {std::int64_t(size)}, mine);
  c_->all_reduce(reduced).wait();
  c_->reduce_to(owned, n_ - 1).wait();
  const Counts counts = even_counts(std::int64_t(size), n_);
  const Tensor part = blank(counts[std::size_t(me_)]);
  c_->reduce_scatter(part, Tensor::of(device(), {std::int64_t(size)}, mine), counts).wait();
  const auto all = reduced.to_doubles(), at_owner = owned.to_doubles(), own = part.to_doubles();
  if (!c_->sums_along_tree()) {  // then the same call has the same bits, and all ranks have them
    const Tensor again = Tensor::of(device(), {std::int64_t(size)}, mine);
    c_->all_reduce(again).wait();
    EXPECT_EQ(again.to_doubles(), all);
    for (const std::string& bytes : gathered(world(), std::string(reinterpret_cast<const char*>(all.data()), size * 8)))
      EXPECT_EQ(std::memcmp(bytes.data(), all.data(), size * 8), 0);
    return;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const double wanted = tree_of(x, i, 0, x.size());
    ASSERT_EQ(all[i], wanted) << i;
    if (me_ == n_ - 1) {
      ASSERT_EQ(at_owner[i], wanted) << i;
    }
    const std::int64_t at = std::int64_t(i) - before(counts, me_);
    if (at >= 0 && at < part.count()) {
      ASSERT_EQ(own[std::size_t(at)], wanted) << i;
    }
  }
}

TEST_P(Contract, ATreeOfSlotsHasTheSameBitsOnOneTwoAndFourRanks) {
  if (!std::has_single_bit(unsigned(n_)) || !c_->sums_along_tree()) return;  // the promise is for powers of two
  constexpr std::size_t slots = 8, size = 5'001;
  std::vector<std::vector<float>> x;
  for (std::size_t s = 0; s < slots; ++s) x.push_back(awkward(int(s), size));
  const std::size_t each = slots / std::size_t(n_), first = std::size_t(me_) * each;
  std::vector<float> mine(size);
  for (std::size_t i = 0; i < size; ++i) mine[i] = tree_of(x, i, first, first + each);
  const Tensor sum = Tensor::of(device(), {std::int64_t(size)}, mine);
  c_->all_reduce(sum).wait();
  const auto got = sum.to_doubles();
  for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(got[i], tree_of(x, i, 0, slots)) << i;
}

TEST_P(Contract, LinesOfASplitWorkSideBySide) {
  for (int round = 0; round < 3; ++round) {  // made and given back again and again
    const auto line = c_->split(me_ % 2, me_, "line");
    const int ranks = (n_ + (me_ % 2 == 0 ? 1 : 0)) / 2;
    EXPECT_EQ(line->size(), ranks);
    EXPECT_EQ(line->rank(), me_ / 2);
    EXPECT_EQ(line->label(), "line");
    const Tensor x = numbers_of(me_, 10'007);
    Work of_line = line->all_reduce(x);
    const Tensor y = numbers_of(me_, 10'007);
    dawdle(*c_);
    Work of_all = c_->all_reduce(y);
    of_all.wait(), of_line.wait();
    expect_sums(y);
    const auto got = x.to_doubles();
    for (std::int64_t i = 0; i < x.count(); ++i) {
      double sum = 0;
      for (int r = me_ % 2; r < n_; r += 2) sum += held(r, i);
      ASSERT_EQ(got[std::size_t(i)], sum) << i;
    }
  }
}

TEST_P(Contract, TheLedgerCountsCallsAndBytes) {
  c_->reset_traffic();
  const std::int64_t n = n_, others = n - 1;
  const Counts even = even_counts(1001, n_), counts = uneven(n_);
  const std::int64_t own = even[std::size_t(me_)], mine = counts[std::size_t(me_)];
  c_->all_reduce(numbers_of(me_, 1001)).wait();
  c_->all_reduce(blank(0)).wait();
  c_->all_gather(blank(total(counts), DType::bf16), blank(mine, DType::bf16), counts).wait();
  c_->reduce_scatter(blank(mine, DType::f64), blank(total(counts), DType::f64), counts).wait();
  c_->broadcast(blank(10), 0).wait();
  c_->reduce_to(blank(10), 0).wait();
  c_->all_to_all(blank(5 * n, DType::u8), blank(5 * n, DType::u8)).wait();
  const int next = (me_ + 1) % n_, last = (me_ + n_ - 1) % n_;
  c_->exchange(std::vector<Message>{{blank(6), next, true}, {blank(6), last, false}}).wait();
  const Traffic& t = c_->traffic();
  EXPECT_EQ(t.of(Op::all_reduce).calls, 2);
  EXPECT_EQ(t.of(Op::all_reduce).bytes, 4 * (1001 - own + own * others));
  EXPECT_EQ(t.of(Op::all_gather).bytes, 2 * mine * others);
  EXPECT_EQ(t.of(Op::reduce_scatter).bytes, 8 * (total(counts) - mine));
  EXPECT_EQ(t.of(Op::broadcast).bytes, me_ == 0 ? 40 * others : 0);
  EXPECT_EQ(t.of(Op::reduce_to).bytes, me_ == 0 ? 0 : 40);
  EXPECT_EQ(t.of(Op::all_to_all).bytes, 5 * others);
  EXPECT_EQ(t.of(Op::exchange).bytes, n_ == 1 ? 0 : 24);
  EXPECT_EQ(t.total().calls, 8);
  EXPECT_GE(t.total().wait_seconds + t.total().begin_seconds, 0);
  // What leaves all ranks together, for the even case: twice the numbers times the other ranks.
  const Tensor sent = Tensor::of(device(), {1}, std::vector<double>{double(t.of(Op::all_reduce).bytes)}, DType::f64);
  c_->all_reduce(sent).wait();
  EXPECT_EQ(sent.item(), double(4 * 2 * 1001 * others));
  c_->reset_traffic();
  EXPECT_EQ(c_->traffic().total().calls, 0);
}

TEST_P(Contract, WhatCannotBeDoneIsRefusedBeforeAnyRankWaits) {
  const Tensor x = blank(6), wide = blank(6 * n_);
  EXPECT_THROW(c_->all_reduce(blank(4, DType::bf16)), Error);
  EXPECT_TRUE(sentence_of([&] { c_->all_reduce(blank(4, DType::bf16)); }).ends_with("cast them to f32 first"));
  EXPECT_THROW(c_->all_reduce(blank(4, DType::u8)), Error);
  EXPECT_THROW(c_->all_reduce(blank(6).view({2, 3}).transpose()), Error) << "strided";
  EXPECT_THROW(c_->broadcast(x, n_), Error);
  EXPECT_THROW(c_->reduce_to(x, -1), Error);
  EXPECT_THROW(c_->all_gather(blank(6 * n_ + 1), x), Error);
  EXPECT_THROW(c_->all_gather(blank(6 * n_, DType::f64), x), Error);
  EXPECT_THROW(c_->reduce_scatter(x, wide, Counts(std::size_t(n_) + 1, 6)), Error);
  EXPECT_THROW(c_->all_to_all(wide, wide, Counts(std::size_t(n_ * n_), 7)), Error);
  EXPECT_THROW(c_->exchange(std::vector<Message>{{x, n_, true}}), Error);
  c_->all_reduce(x).wait();
}

TEST_P(Contract, RanksThatCallDifferentThingsAreNamedBeforeAnythingBegins) {
  c_->compare_calls(true);
  const auto line = c_->split(0, me_, "odd");
  EXPECT_EQ(line->compares_calls(), n_ > 1);
  const Tensor x = numbers_of(me_, 12), all = blank(12 * n_);
  line->all_reduce(x).wait();
  expect_sums(x);
  if (n_ < 3) return;  // of two it cannot be said who is wrong
  const bool odd = me_ == n_ - 1;
  auto said = [&](auto&& one, auto&& other) { return sentence_of([&] { odd ? other().wait() : one().wait(); }); };
  const std::string who = "along 'odd' rank " + std::to_string(n_ - 1) + " is about to call ";
  EXPECT_EQ(said([&] { return line->all_reduce(x); }, [&] { return line->all_gather(all, x); }),
            who + "all_gather number 2 (" + std::to_string(48 * n_) + " bytes, owner 0) where others call all_reduce " +
                "number 2 (48 bytes, owner 0)");
  EXPECT_TRUE(said([&] { return line->broadcast(x, 0); }, [&] { return line->broadcast(x, 1); }).starts_with(who));
  EXPECT_TRUE(
      said([&] { return line->all_reduce(x); }, [&] { return line->all_reduce(x, Reduce::max); }).starts_with(who));
  Counts two = even_counts(12, n_), other = two;
  std::swap(other.front(), other.back());
  other.front() += 1, other[1] -= 1;
  EXPECT_TRUE(said([&] { return line->all_gather(blank(12), blank(two[std::size_t(me_)]), two); },
                   [&] { return line->all_gather(blank(12), blank(other[std::size_t(me_)]), other); })
                  .ends_with("with other parts"));
  line->broadcast(x, 1).wait();
}

}  // namespace
}  // namespace lact
