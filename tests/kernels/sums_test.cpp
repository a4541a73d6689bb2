// Sums over dims and the squared norm: f32 judged by f64.
#include "kernels/sums.hpp"
#include "base/check.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

Tensor positive(const Tensor& x) {
  auto v = x.to_doubles();
  for (double& e : v) e = std::abs(e) + 1e-3f;
  return Tensor::of(tested(), x.shape(), std::span<const double>(v), x.dtype());
}

TEST(Sums, ToEveryShape) {
  const Pair x = Pair::random({3, 70, 5, 17}, "x");
  const std::vector<std::vector<int>> orders{{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {1, 0, 3, 2}};
  for (const auto& order : orders)
    for (int kept = 0; kept < 16; ++kept) {
      const Pair v = x.with([&](const Tensor& t) { return t.permute(order); });
      Shape s(4, 1);
      for (std::size_t d = 0; d < 4; ++d)
        if (kept >> d & 1) s[d] = v.f64.shape()[d];
      const Pair y = Pair::result(s);
      for (auto t : {&Pair::f32, &Pair::f64}) kernels::sum_to(y.*t, v.*t);
      std::vector<double> want(std::size_t(count_of(s)), 0.0);
      const auto numbers = v.f64.to_doubles();
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        std::size_t rest = i, at = 0, step = 1;
        for (std::size_t d = 4; d-- > 0;) {
          const auto n = std::size_t(v.f64.shape()[d]);
          if (s[d] != 1) at += rest % n * step;
          step *= std::size_t(s[d]);
          rest /= n;
        }
        want[at] += numbers[i];
      }
      const double terms = double(x.f64.count()) / double(count_of(s));
      EXPECT_LE(difference(y.f64, Tensor::of(tested(), s, std::span<const double>(want), DType::f64)),
                1e-14 * std::sqrt(terms));
      EXPECT_LE(difference(y.f32, y.f64),
                eps32 * std::sqrt(terms) * std::sqrt(terms) / largest(y.f64.to_doubles()) + 4 * eps32);
    }
  const Pair empty = Pair::result({1, 4});
  kernels::sum_to(empty.f32, Tensor::empty(tested(), {0, 4}));
  EXPECT_EQ(empty.f32.to_floats(), std::vector<float>(4, 0.f));
}

TEST(Sums, LongSumsStayAccurate) {
  const Pair x = Pair::random({100003}, "x").with(positive), rows = x.with([](const Tensor&t) {
    return t.cut(0, {0, 99999}).view({33333, 3});
  });
  const Pair all = Pair::result({1}), columns = Pair::result({1, 3});
  for (auto t : {&Pair::f32, &Pair::f64}) {
    kernels::sum_to(all.*t, x.*t);
    kernels::sum_to(columns.*t, rows.*t);
  }
  // blocks and a tree: the error grows with the length of a block and the height of the tree, not with the count
  expect_agrees(all, 40, "all");
  expect_agrees(columns, 40, "columns");
}

TEST(Sums, SquaredNormOfJoinedBlocksIsTheSumOfTheirs) {
  for (std::int64_t n : {0, 1, 4095, 4096, 4097, 8192 * 4}) {
    const Pair x = Pair::random({n}, "x");
    double want = 0;
    for (double v : x.f64.to_doubles()) want += v * v;
    for (auto t : {&Pair::f32, &Pair::f64}) {
      const Tensor y = Tensor::empty(tested(), {1}, DType::f64);
      kernels::squared_norm(y, x.*t);
      EXPECT_NEAR(y.item(), want, 1e-12 * want);
    }
  }
  const Tensor x = random_tensor({32768}, "x", DType::f32), y = Tensor::empty(tested(), {1}, DType::f64);
  auto norm = [&](std::int64_t a, std::int64_t b) {
    kernels::squared_norm(y, x.cut(0, {a, b}));
    return y.item();
  };
  EXPECT_EQ(norm(0, 32768), norm(0, 16384) + norm(16384, 32768));  // equal halves of 2^n blocks: the same tree
}

TEST(Sums, ThreadsChangeNoBit) {
  const Tensor x = random_tensor({300, 1037}, "x", DType::f32);
  for (const Shape& s : {Shape{1, 1037}, Shape{300, 1}, Shape{1, 1}})
    expect_thread_independent(
        [&] {
          const Tensor y = Tensor::empty(tested(), s);
          kernels::sum_to(y, x);
          return y;
        },
        "sum_to " + text_of(s));
  expect_thread_independent(
      [&] {
        const Tensor y = Tensor::empty(tested(), {1}, DType::f64);
        kernels::squared_norm(y, x);
        return y;
      },
      "squared_norm");
}

TEST(Sums, WrongUseIsOneSentence) {
  const Tensor x = Tensor::zeros(tested(), {2, 3});
  EXPECT_THROW(kernels::sum_to(Tensor::zeros(tested(), {2, 2}), x), Error);
  EXPECT_THROW(kernels::squared_norm(Tensor::zeros(tested(), {1}), x), Error);
}

}  // namespace
}  // namespace lact
