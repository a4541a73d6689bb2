// Rows of scores: f32 judged by f64, gradients by central differences.
#include "kernels/softmax.hpp"
#include "base/check.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

TEST(Scores, SoftmaxAndItsGradient) {
  for (kernels::Mask mask : {kernels::Mask{}, kernels::Mask{true, 0}, kernels::Mask{true, 5}})
    for (std::int64_t keys : {1, 7, 33, 100}) {
      const Shape s{3, 40, keys};
      const Pair x = Pair::random(s, "x", 3), dy = Pair::random(s, "dy");
      Pair y = Pair::result(s), dx = Pair::result(s);
      for (auto t : {&Pair::f32, &Pair::f64}) {
        kernels::softmax(y.*t, x.*t, 0.7, mask);
        kernels::softmax_grad(dx.*t, dy.*t, y.*t, 0.7);
      }
      expect_agrees(y, 16, "softmax");
      if (keys > 1) expect_agrees(dx, 64, "softmax_grad");
      const auto p = y.f64.to_doubles();
      for (std::int64_t row = 0; row < 120; ++row) {
        const std::int64_t i = row % 40;
        double sum = 0;
        for (std::int64_t j = 0; j < keys; ++j) {
          const bool seen = !mask.causal || (j <= i && (mask.window == 0 || j > i - mask.window));
          const double weight = p[std::size_t(row * keys + j)];
          EXPECT_TRUE(seen || weight == 0);
          sum += weight;
        }
        const bool any = !mask.causal || mask.window == 0 || i - mask.window + 1 < keys;
        EXPECT_NEAR(sum, any ? 1 : 0, 1e-12);
      }
      expect_slope(
          [&](const Tensor& t) {
            Tensor r = like(t);
            kernels::softmax(r, t, 0.7, mask);
            return inner(r, dy.f64);
          },
          x.f64, dx.f64, "softmax");
    }
}

TEST(Scores, LogSumExpPickAndPlace) {
  for (std::int64_t n : {1, 17, 300, 1000}) {
    const Pair x = Pair::random({5, n}, "x", 20), y = Pair::result({5});
    for (auto t : {&Pair::f32, &Pair::f64}) kernels::log_sum_exp(y.*t, x.*t);
    expect_agrees(y, 4, "log_sum_exp");
    for (std::int64_t i = 0; i < 5; ++i) {
      double sum = 0;
      const auto row = x.f64.select(0, i).to_doubles();
      for (double v : row) sum += std::exp(v);
      EXPECT_NEAR(y.f64.to_doubles()[std::size_t(i)], std::log(sum), 1e-12);
    }
  }
  const Tensor x = random_tensor({3, 4}, "x"), y = random_tensor({3}, "y");
  const Tensor index = Tensor::of(tested(), {3}, std::vector<std::int32_t>{2, -1, 0});
  Tensor picked = like(y), placed = like(x);
  kernels::pick(picked, x, index);
  kernels::place(placed, y, index);
  const auto v = x.to_doubles();
  EXPECT_EQ(picked.to_doubles(), (std::vector<double>{v[2], 0, v[8]}));
  EXPECT_DOUBLE_EQ(inner(picked, y), inner(placed, x));  // adjoint of each other
  const Tensor beyond = Tensor::of(tested(), {3}, std::vector<std::int32_t>{0, 4, 0});
  if (on_cpu()) {
    EXPECT_THROW(kernels::pick(picked, x, beyond), Error);
  } else {
    kernels::pick(picked, x, beyond);
    EXPECT_TRUE(std::isnan(picked.to_doubles()[1]));
  }
}

TEST(Visible, RangesAreThoseOfTheDefinition) {
  for (const kernels::Mask mask : {kernels::Mask{}, kernels::Mask{true, 0}, kernels::Mask{true, 3}})
    for (std::int64_t keys : {0, 1, 4, 9})
      for (std::int64_t i = 0; i < 12; ++i) {
        const Range r = kernels::visible(mask, i, keys);
        for (std::int64_t j = 0; j < keys; ++j) {
          const bool sees = !mask.causal || (j <= i && (mask.window == 0 || j > i - mask.window));
          EXPECT_EQ(sees, j >= r.begin && j < r.end) << i << " " << j;
        }
      }
}

}  // namespace
}  // namespace lact
