// How kernels are declared and defined: two kernels of this file's own, and a look at all that the program has.
#include "kernels/kernel.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "support/far_device.hpp"
#include "tensor/device_paper.hpp"

namespace lact {
namespace kernels {

// y = c x in reverse order; both [n] f32, contiguous, apart in memory. c is 1 where it is left out.
inline constinit Kernel<void(Tensor y, const Tensor& x, double c), double> reversed{"reversed", 1};

// Two tensors in reverse order, each with its factor.
struct ReversedPair {
  const Tensor &y, &z;
  const Tensor &x, &w;
  double c;
  auto tensors() const { return std::array{&y, &z, &x, &w}; }
};
inline constinit Kernel<void(const ReversedPair& t)> reversed_pair{"reversed_pair"};

namespace {

const Check<reversed> check_of_reversed = [](const Tensor& y, const Tensor& x, const double&) {
  check(y.shape() == x.shape(), "reversed: {} of {}", text_of(y.shape()), text_of(x.shape()));
};

const Cpu<reversed> reversed_on_cpu = [](Tensor y, const Tensor& x, double c) {
  const auto* from = x.data<float>();
  for (std::int64_t i = 0; i < x.count(); ++i) y.data<float>()[x.count() - 1 - i] = float(c) * from[i];
};

const InParts<reversed_pair> reversed_pair_in_parts = [](const ReversedPair& t) {
  reversed(t.y, t.x, t.c);
  reversed(t.z, t.w, t.c);
};

}  // namespace
}  // namespace kernels

namespace {

Tensor numbers(Device& d, std::vector<float> v) { return Tensor::of(d, {std::int64_t(v.size())}, v); }

TEST(Kernel, RunsOnTheBackendOfItsResult) {
  const auto cpu = Device::open(Backend::cpu);
  const Tensor x = numbers(*cpu, {1, 2, 3}), y = like(x), z = like(x);
  kernels::reversed(y, x, 2);
  EXPECT_EQ(y.to_floats(), (std::vector<float>{6, 4, 2}));
  kernels::reversed(y, x);
  EXPECT_EQ(y.to_floats(), (std::vector<float>{3, 2, 1})) << "the factor may be left out";
  kernels::reversed_pair({.y = y, .z = z, .x = x, .w = numbers(*cpu, {0, 0, 1}), .c = 1});
  EXPECT_EQ(z.to_floats(), (std::vector<float>{1, 0, 0})) << "in parts, since the CPU has no function for both";
}

std::string what_is_wrong(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Kernel, WhatIsMissingIsNamed) {
  const auto cpu = Device::open(Backend::cpu);
  const Tensor x = numbers(*cpu, {1, 2, 3});
  EXPECT_EQ(what_is_wrong([&] { kernels::reversed({}, x, 1); }), "the result of the kernel reversed is undefined");
  EXPECT_EQ(what_is_wrong([&] { kernels::reversed(like(x, {2}), x, 1); }), "reversed: [2] of [3]");
  FarDevice gpu;
  const Tensor far = numbers(gpu, {1, 2, 3});
  EXPECT_EQ(what_is_wrong([&] { kernels::reversed(like(far), far, 1); }), "no cuda kernel for reversed");
  EXPECT_EQ(what_is_wrong([&] { kernels::reversed_pair({far, far, far, far, 1}); }), "no cuda kernel for reversed");
}

TEST(Kernel, CostsTheBytesOfItsTensorsOrWhatItsPartsCost) {
  const auto cpu = Device::open(Backend::cpu);
  PaperDevice paper(PaperRates{});
  MeasuredKernels measured(*cpu);
  for (Device* d : {cpu.get(), static_cast<Device*>(&paper)}) {
    const Tensor x = Tensor::empty(*d, {3}), y = like(x), z = like(x);
    kernels::reversed(y, x);
    kernels::reversed_pair({.y = y, .z = z, .x = x, .w = x, .c = 1});
  }
  for (const auto& rows : {measured.rows(), paper.tally()}) {
    EXPECT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows.at("reversed").calls, 3);
    EXPECT_EQ(rows.at("reversed").bytes, 3 * 2 * 3 * 4.0);
  }
}

TEST(Kernel, EveryOneRunsOnEveryBackendOfThisProgram) {
  const bool cuda = kernels::fill.defined_on(Backend::cuda);  // all of them, or none where CUDA was left out
  EXPECT_TRUE(cuda || Device::present(Backend::cuda) == 0);
  std::size_t of_the_program = 0;
  for (const kernels::AnyKernel* kernel : kernels::AnyKernel::all()) {
    if (kernel == &kernels::reversed || kernel == &kernels::reversed_pair) continue;
    ++of_the_program;
    EXPECT_TRUE(kernel->defined_on(Backend::cpu) || kernel->has_parts()) << kernel->name();
    EXPECT_EQ(kernel->defined_on(Backend::cuda), cuda) << kernel->name();
  }
  EXPECT_GE(of_the_program, 41u) << "definitions are lost where a program does not take the library as a whole";
}

}  // namespace
}  // namespace lact
