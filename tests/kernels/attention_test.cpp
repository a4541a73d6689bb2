// Attention: f32 judged by the direct formula in f64.
#include "kernels/attention.hpp"
#include "base/check.hpp"
#include "kernels/gemm.hpp"
#include "kernels/softmax.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

struct Attention {
  Pair q, k, v, dout, o, lse, dq, dk, dv;
};
Attention attend(std::int64_t queries, std::int64_t keys, std::int64_t d, std::int64_t dv, kernels::Mask mask) {
  auto heads = [](const Tensor& t) { return t.permute({0, 2, 1, 3}); };  // stored [b, t, h, d]
  Attention a{Pair::random({2, queries, 3, d}, "q").with(heads),
              Pair::random({2, keys, 3, d}, "k").with(heads),
              Pair::random({2, keys, 3, dv}, "v").with(heads),
              Pair::random({2, 3, queries, dv}, "dout"),
              Pair::result({2, queries, 3, dv}).with(heads),
              Pair::result({2, 3, queries}),
              Pair::result({2, 3, queries, d}),
              Pair::result({2, 3, keys, d}),
              Pair::result({2, keys, 3, dv}).with(heads)};
  for (auto t : {&Pair::f32, &Pair::f64}) {
    kernels::attention(a.o.*t, a.lse.*t, a.q.*t, a.k.*t, a.v.*t, 0.3, mask);
    kernels::attention_grad(
        {a.dq.*t, a.dk.*t, a.dv.*t, a.dout.*t, a.q.*t, a.k.*t, a.v.*t, a.o.*t, a.lse.*t, 0.3, mask});
  }
  return a;
}

TEST(Attention, TiledAgreesWithTheFormula) {
  const kernels::Mask masks[] = {{}, {true, 0}, {true, 1}, {true, 20}, {true, 100}};
  const std::int64_t sizes[][4] = {{1, 1, 1, 1},       {7, 33, 16, 17},   {64, 64, 64, 64}, {65, 130, 33, 20},
                                   {200, 150, 7, 100}, {130, 40, 64, 64}, {0, 5, 8, 8},     {5, 0, 8, 8}};
  for (const auto& mask : masks)
    for (const auto& s : sizes) {
      const Attention a = attend(s[0], s[1], s[2], s[3], mask);
      const std::string what =
          sentence("attention {} {} {} {} causal {} window {}", s[0], s[1], s[2], s[3], int(mask.causal), mask.window);
      // scores of size 0.3 sqrt(d) carry a rounding of a few units into the exponent
      expect_agrees(a.o, 32, what + ": o");
      expect_agrees(a.lse, 32, what + ": lse");
      if (s[1] == 1) continue;  // one key: the gradient of its score is rounding only
      const bool one_key = mask.window == 1;
      if (!one_key) {
        expect_agrees(a.dq, 64, what + ": dq");
        expect_agrees(a.dk, 64, what + ": dk");
      }
      expect_agrees(a.dv, 64, what + ": dv");
    }
}

TEST(Attention, FormulaEqualsSoftmaxOfScores) {
  const Attention a = attend(13, 11, 5, 6, {true, 4});
  Tensor scores = Tensor::empty(tested(), {2, 3, 13, 11}, DType::f64), weights = like(scores),
         o = Tensor::empty(tested(), {2, 3, 13, 6}, DType::f64);
  kernels::matmul(scores, a.q.f64, a.k.f64.transpose());
  kernels::softmax(weights, scores, 0.3, {true, 4});
  kernels::matmul(o, weights, a.v.f64);
  EXPECT_LE(difference(a.o.f64, o), 1e-14);
  // queries 14, 15, ... of a longer row would see no key of 11: query 12 sees 9, 10
  const Attention far = attend(20, 11, 5, 6, {true, 4});
  for (std::int64_t i = 14; i < 20; ++i) EXPECT_EQ(largest(far.o.f32.select(2, i).to_doubles()), 0) << i;
}

TEST(Attention, GradientsMatchDifferences) {
  for (kernels::Mask mask : {kernels::Mask{}, kernels::Mask{true, 5}}) {
    const Attention a = attend(9, 8, 4, 3, mask);
    auto value = [&](const Tensor& q, const Tensor& k, const Tensor& v) {
      Tensor o = Tensor::empty(tested(), {2, 3, 9, 3}, DType::f64),
             lse = Tensor::empty(tested(), {2, 3, 9}, DType::f64);
      kernels::attention(o, lse, q, k, v, 0.3, mask);
      return inner(o, a.dout.f64);
    };
    expect_slope([&](const Tensor& t) { return value(t, a.k.f64, a.v.f64); }, a.q.f64, a.dq.f64, "dq");
    expect_slope([&](const Tensor& t) { return value(a.q.f64, t, a.v.f64); }, a.k.f64, a.dk.f64, "dk");
    expect_slope([&](const Tensor& t) { return value(a.q.f64, a.k.f64, t); }, a.v.f64, a.dv.f64, "dv");
  }
}

TEST(Attention, ThreadsChangeNoBit) {
  for (auto part : {&Attention::o, &Attention::dq, &Attention::dk, &Attention::dv})
    expect_thread_independent([&] { return (attend(150, 170, 33, 17, {true, 60}).*part).f32; }, "attention");
}

TEST(Attention, LargeScoresDoNotOverflow) {
  const Tensor q = random_tensor({1, 1, 70, 8}, "q", DType::f32, 40),
               k = random_tensor({1, 1, 90, 8}, "k", DType::f32, 40), v = random_tensor({1, 1, 90, 8}, "v", DType::f32);
  Tensor o = like(q), lse = Tensor::empty(tested(), {1, 1, 70});
  kernels::attention(o, lse, q, k, v, 1);
  for (double x : o.to_doubles()) EXPECT_TRUE(std::isfinite(x));
  EXPECT_LE(largest(o.to_doubles()), largest(v.to_doubles()) * (1 + 4 * eps32));  // a mean of values
}

}  // namespace
}  // namespace lact
