// When collectives begin and when they are waited for, seen by a communicator of two ranks that writes it down.
#include <gtest/gtest.h>

#include "autograd/collectives.hpp"
#include "autograd/ops.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using Lines = std::vector<std::string>;

class Scribe final : public Communicator {
 public:
  Scribe() : Communicator("scribe") {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  const char* transport() const override { return "scribe"; }
  std::unique_ptr<Communicator> split(int, int, const std::string&) override { return nullptr; }
  Lines lines;

 protected:
  std::shared_ptr<Work::State> start(Collective call) override {
    lines.push_back(std::string("begin ") + name_of(call.op));
    return std::make_shared<Waiting>(*this, std::string("wait ") + name_of(call.op));
  }

 private:
  struct Waiting final : Work::State {
    Scribe& scribe;
    std::string line;
    Waiting(Scribe& s, std::string l) : scribe(s), line(std::move(l)) {}
    void wait() override { scribe.lines.push_back(line); }
  };
};

Device& device() {
  static const auto d = Device::open(Backend::cpu);
  return *d;
}

// A leaf's op that writes down when its gradient passes.
Var passed(Lines& lines, const Var& x) {
  return op("passed", x.value(), {x}, [&lines](const Var& dy) {
    lines.push_back("compute");
    return Grads{dy};
  });
}

TEST(Collectives, WhatStandsBetweenBeginAndFinishHidesTheTransferInBothDirections) {
  Scribe two;
  Tape tape;
  const Var x = tape.leaf(Tensor::zeros(device(), {2, 2}));
  InFlight f = begin_gather(x, 0, two);
  const Var between = passed(two.lines, scale(x, 2));
  const Var y = add(sum(finish(f)), sum(between));
  EXPECT_EQ(two.lines, (Lines{"begin all_gather", "wait all_gather"}));
  two.lines.clear();
  tape.backward(y, ones_like(y));
  EXPECT_EQ(two.lines, (Lines{"begin reduce_scatter", "compute", "wait reduce_scatter"}));
}

TEST(Collectives, ASecondPassBeginsItsOwnAdjoint) {
  Scribe two;
  Tape tape;
  const Var x = tape.leaf(Tensor::zeros(device(), {2, 2}));
  const Var y = sum_over(x, two);
  two.lines.clear();
  for (int pass = 0; pass < 2; ++pass) tape.grad(y, std::span(&x, 1), ones_like(y));
  EXPECT_EQ(two.lines, (Lines{"begin all_reduce", "wait all_reduce", "begin all_reduce", "wait all_reduce"}));
}

TEST(Collectives, WhatIsNeverFinishedCompletesAndHasNoGradient) {
  Scribe two;
  Tape tape;
  const Var x = tape.leaf(Tensor::zeros(device(), {2, 2}));
  { const InFlight lost = begin_sum(x, two); }
  EXPECT_EQ(two.lines, (Lines{"begin all_reduce", "wait all_reduce"}));
  two.lines.clear();
  const Var y = square(x);
  tape.backward(y, ones_like(y));
  EXPECT_EQ(two.lines, Lines{});
}

TEST(Collectives, WhatDoesNotFitIsRefusedBeforeAnythingBegins) {
  Scribe two;
  const Var x = Tensor::zeros(device(), {3, 4});
  const std::vector<std::int64_t> three{1, 1, 1}, wrong{2, 2};
  EXPECT_THROW(gather(x, 0, two, three), Error);
  EXPECT_THROW(gather(x, 0, two, wrong), Error);
  EXPECT_THROW(gather(x, 2, two), Error);
  EXPECT_THROW(scatter_sum(x, 0, two), Error);
  EXPECT_THROW(scatter_sum(x, 1, two, three), Error);
  EXPECT_THROW(all_to_all(x, 1, 1, two), Error);
  EXPECT_THROW(all_to_all(x, 0, 1, two), Error);
  const std::vector<Sent> low{{cast(x, DType::bf16), 1}};
  EXPECT_EQ(sentence_of([&] { exchange(x, low, {}, two); }), "exchange of f32 and bf16 numbers: cast one of them");
  EXPECT_TRUE(sentence_of([&] { sum_over(cast(x, DType::bf16), two); }).ends_with("cast them to f32 first"));
  EXPECT_EQ(two.lines, Lines{});
}

}  // namespace
}  // namespace lact
