// Causal convolution along the tokens: against loops, and its gradients against differences.
#include "kernels/convolution.hpp"

#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

std::vector<double> by_loops(const Tensor& x, const Tensor& w, const Tensor& bias) {
  const std::int64_t b = x.dim(0), t = x.dim(1), c = x.dim(2), k = w.dim(1);
  const auto in = x.to_doubles(), taps = w.to_doubles(), add = bias.defined() ? bias.to_doubles() : in;
  std::vector<double> y(in.size());
  for (std::int64_t s = 0; s < b; ++s)
    for (std::int64_t i = 0; i < t; ++i)
      for (std::int64_t ch = 0; ch < c; ++ch) {
        double sum = bias.defined() ? add[std::size_t(ch)] : 0;
        for (std::int64_t j = 0; j < k; ++j)
          if (const std::int64_t from = i - (k - 1) + j; from >= 0)
            sum += taps[std::size_t(ch * k + j)] * in[std::size_t((s * t + from) * c + ch)];
        y[std::size_t((s * t + i) * c + ch)] = sum;
      }
  return y;
}

TEST(Convolution, IsTheSumOverTaps) {
  for (const auto& [b, t, c, k] :
       {std::array<std::int64_t, 4>{2, 9, 5, 4}, {1, 2, 37, 4}, {3, 70, 16, 1}, {1, 5, 1, 7}}) {
    const Pair x = Pair::random({b, t, c}, "x"), w = Pair::random({c, k}, "w"), bias = Pair::random({c}, "bias");
    const Pair y = Pair::result({b, t, c}), plain = Pair::result({b, t, c});
    for (auto p : {&Pair::f32, &Pair::f64}) {
      kernels::causal_convolution(y.*p, x.*p, w.*p, bias.*p);
      kernels::causal_convolution(plain.*p, x.*p, w.*p, {});
    }
    const auto want = by_loops(x.f64, w.f64, bias.f64), without = by_loops(x.f64, w.f64, {});
    const auto of = [&](const std::vector<double>& v) {
      return Tensor::of(tested(), {b, t, c}, std::span<const double>(v), DType::f64);
    };
    EXPECT_LE(difference(y.f64, of(want)), 1e-14);
    EXPECT_LE(difference(plain.f64, of(without)), 1e-14);
    expect_agrees(y, double(2 * k + 2), sentence("{} tokens, {} taps", t, k));
    expect_agrees(plain, double(2 * k + 2), sentence("{} tokens, {} taps, no bias", t, k));
  }
}

TEST(Convolution, HasItsGradients) {
  for (const auto& [b, t, c, k] : {std::array<std::int64_t, 4>{2, 9, 5, 4}, {1, 2, 3, 4}, {2, 200, 3, 3}}) {
    const Pair x = Pair::random({b, t, c}, "x"), w = Pair::random({c, k}, "w"), bias = Pair::random({c}, "bias"),
               dy = Pair::random({b, t, c}, "dy");
    const Pair dx = Pair::result({b, t, c}), dw = Pair::result({c, k}), db = Pair::result({c});
    for (auto p : {&Pair::f32, &Pair::f64})
      kernels::causal_convolution_grad({.dx = dx.*p, .dw = dw.*p, .dbias = db.*p, .dy = dy.*p, .x = x.*p, .w = w.*p});
    auto weighed = [&](const Tensor& at, const Tensor& taps, const Tensor& add) {
      const Tensor y = like(at);
      kernels::causal_convolution(y, at, taps, add);
      return inner(y, dy.f64);
    };
    expect_slope([&](const Tensor& v) { return weighed(v, w.f64, bias.f64); }, x.f64, dx.f64, "dx");
    expect_slope([&](const Tensor& v) { return weighed(x.f64, v, bias.f64); }, w.f64, dw.f64, "dw");
    expect_slope([&](const Tensor& v) { return weighed(x.f64, w.f64, v); }, bias.f64, db.f64, "dbias");
    // sums over b t tokens, of terms that partly cancel
    for (const Pair* p : {&dx, &dw, &db}) expect_agrees(*p, double(2 * b * t), "gradient");
  }
}

TEST(Convolution, ReadsAWindowOfWiderRows) {
  const Pair wide = Pair::random({2, 7, 11}, "wide"), w = Pair::random({4, 3}, "w");
  for (auto p : {&Pair::f32, &Pair::f64}) {
    const Tensor window = (wide.*p).cut(2, {3, 7}), alone = like(window), y = like(window), z = like(window);
    kernels::unary(kernels::Unary::copy, alone, window);
    kernels::causal_convolution(y, window, w.*p, {});
    kernels::causal_convolution(z, alone, w.*p, {});
    EXPECT_TRUE(same_bits(y, z));
  }
}

TEST(Convolution, OfNothing) {
  const Tensor x = Tensor::zeros(tested(), {0, 3, 2}), w = random_tensor({2, 4}, "w", DType::f32), y = like(x),
               dw = random_tensor({2, 4}, "dw", DType::f32), db = random_tensor({2}, "db", DType::f32);
  kernels::causal_convolution(y, x, w, {});
  kernels::causal_convolution_grad({.dx = y, .dw = dw, .dbias = db, .dy = x, .x = x, .w = w});
  EXPECT_EQ(largest(dw.to_doubles()) + largest(db.to_doubles()), 0) << "the sum over no tokens";
}

TEST(Convolution, TheThreadsDoNotChangeTheBits) {
  if (!on_cpu()) return;
  const Tensor x = random_tensor({2, 300, 33}, "x", DType::f32), w = random_tensor({33, 4}, "w", DType::f32);
  expect_thread_independent(
      [&] {
        const Tensor dx = like(x), dw = like(w);
        kernels::causal_convolution_grad({.dx = dx, .dw = dw, .dbias = {}, .dy = x, .x = x, .w = w});
        return dw;
      },
      "dw");
}

TEST(Convolution, WrongOperandsAreOneSentence) {
  const Tensor x = Tensor::zeros(tested(), {2, 3, 5}), w = Tensor::zeros(tested(), {5, 4}), y = like(x);
  EXPECT_THROW(kernels::causal_convolution(y, x, Tensor::zeros(tested(), {4, 4}), {}), Error);
  EXPECT_THROW(kernels::causal_convolution(y, x, Tensor::zeros(tested(), {5, 0}), {}), Error);
  EXPECT_THROW(kernels::causal_convolution(y, x, w, Tensor::zeros(tested(), {4})), Error);
  EXPECT_THROW(kernels::causal_convolution(y, x.permute({0, 2, 1}), w, {}), Error);
  EXPECT_THROW(kernels::causal_convolution(y, x, Tensor::zeros(tested(), {5, 4}, DType::f64), {}), Error);
}

}  // namespace
}  // namespace lact
