// Linear recurrences and the small matrices of their chunk-parallel forms: f32 judged by f64, strong decays, tails.
#include "kernels/recurrence.hpp"

#include "base/check.hpp"
#include "kernels/gemm.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

TEST(LinearScan, IsItsRecurrenceAndItsAdjoint) {
  for (const auto& [b, n, m, r] :
       {std::array<std::int64_t, 4>{2, 7, 6, 2}, {1, 1, 5, 5}, {3, 19, 1037, 1037}, {1, 5, 1040, 4}}) {
    const Pair x = Pair::random({b, n, m}, "x"), u = Pair::random({b, n, m}, "u");
    const Pair decay = Pair::random({b, n, r}, "decay", 0.5), y = Pair::result({b, n, m}), z = Pair::result({b, n, m});
    for (auto p : {&Pair::f32, &Pair::f64}) {
      kernels::linear_scan(y.*p, x.*p, decay.*p, false);
      kernels::linear_scan(z.*p, u.*p, decay.*p, true);
    }
    expect_agrees(y, 16, "scan");  // decays are small, so sums are short
    expect_agrees(z, 16, "backwards");
    const auto in = x.f64.to_doubles(), kept = decay.f64.to_doubles(), out = y.f64.to_doubles();
    for (std::int64_t i = 0; i < b * n * m; ++i) {
      const std::int64_t row = i / m % n, column = i % m, factor = (i / m) * r + column / (m / r);
      const double before = row == 0 ? 0 : out[std::size_t(i - m)];
      ASSERT_NEAR(out[std::size_t(i)], kept[std::size_t(factor)] * before + in[std::size_t(i)], 1e-12) << i;
    }
    const double there = inner(y.f64, u.f64), back = inner(x.f64, z.f64);
    EXPECT_NEAR(there, back, 1e-12 * std::sqrt(inner(y.f64, y.f64) * inner(u.f64, u.f64))) << "adjoint";
  }
}

TEST(LinearScan, WithoutDecaysItSums) {
  const Tensor x = random_tensor({2, 5, 3}, "x"), y = like(x), z = like(x);
  kernels::linear_scan(y, x, {}, false);
  kernels::linear_scan(z, x, {}, true);
  for (std::int64_t i = 0; i < 2 * 3; ++i) {
    double sum = 0;
    for (std::int64_t t = 0; t < 5; ++t) sum += x.to_doubles()[std::size_t((i / 3 * 5 + t) * 3 + i % 3)];
    EXPECT_NEAR(y.to_doubles()[std::size_t((i / 3 * 5 + 4) * 3 + i % 3)], sum, 1e-14);
    EXPECT_NEAR(z.to_doubles()[std::size_t(i / 3 * 5 * 3 + i % 3)], sum, 1e-14);
  }
}

double score(const Tensor& q, const Tensor& k, const Tensor& g, std::int64_t item, std::int64_t t, std::int64_t s) {
  const auto qs = q.to_doubles(), ks = k.to_doubles(), gs = g.to_doubles();
  const std::int64_t n = q.dim(1), d = q.dim(2);
  double sum = 0;
  for (std::int64_t c = 0; c < d; ++c) {
    double exponent = 0;
    for (std::int64_t r = s + 1; r <= t; ++r) exponent += gs[std::size_t((item * n + r) * d + c)];
    sum += qs[std::size_t((item * n + t) * d + c)] * ks[std::size_t((item * n + s) * d + c)] * std::exp(exponent);
  }
  return sum;
}

// Gates as strong as exp(-12 per token), and some that forget nothing.
Pair gates(const Shape& s) {
  Pair g = Pair::random(s, "g");
  for (auto p : {&Pair::f32, &Pair::f64})
    rewrite(g.*p, [](std::int64_t i, double v) { return i % 7 == 0 ? -12.0 : (i % 5 == 0 ? 0.0 : -std::abs(v)); });
  return g;
}

TEST(DecayedScores, AreThoseOfPairsHoweverStrongTheGates) {
  for (const auto& [b, n, d] : {std::array<std::int64_t, 3>{2, 13, 5}, {1, 64, 33}, {3, 1, 16}}) {
    const Pair q = Pair::random({b, n, d}, "q"), k = Pair::random({b, n, d}, "k"), g = gates({b, n, d}),
               y = Pair::result({b, n, n});
    for (auto p : {&Pair::f32, &Pair::f64}) kernels::decayed_scores(y.*p, q.*p, k.*p, g.*p);
    expect_agrees(y, 32, "scores");
    const auto found = y.f64.to_doubles();
    for (std::int64_t t = 0; t < n; t += 3)
      for (std::int64_t s = 0; s < n; s += 2)
        ASSERT_NEAR(found[std::size_t(((b - 1) * n + t) * n + s)],
                    s <= t ? score(q.f64, k.f64, g.f64, b - 1, t, s) : 0.0, 1e-12);
  }
}

TEST(DecayedScores, HaveTheirGradients) {
  for (const auto& [b, n, d] : {std::array<std::int64_t, 3>{2, 9, 5}, {1, 17, 18}}) {
    const Pair q = Pair::random({b, n, d}, "q"), k = Pair::random({b, n, d}, "k"), g = gates({b, n, d}),
               dy = Pair::random({b, n, n}, "dy");
    const Pair dq = Pair::result({b, n, d}), dk = Pair::result({b, n, d}), dg = Pair::result({b, n, d});
    for (auto p : {&Pair::f32, &Pair::f64})
      kernels::decayed_scores_grad(
          {.dq = dq.*p, .dk = dk.*p, .dg = dg.*p, .dy = dy.*p, .q = q.*p, .k = k.*p, .g = g.*p});
    for (const Pair* p : {&dq, &dk, &dg}) expect_agrees(*p, 64, "gradient");
    auto weighed = [&](const Tensor& qs, const Tensor& ks, const Tensor& gs) {
      const Tensor y = like(dy.f64);
      kernels::decayed_scores(y, qs, ks, gs);
      return inner(y, dy.f64);
    };
    expect_slope([&](const Tensor& x) { return weighed(x, k.f64, g.f64); }, q.f64, dq.f64, "dq");
    expect_slope([&](const Tensor& x) { return weighed(q.f64, x, g.f64); }, k.f64, dk.f64, "dk");
    expect_slope([&](const Tensor& x) { return weighed(q.f64, k.f64, x); }, g.f64, dg.f64, "dg");
  }
}

// Keys that are all alike, of rate 1: below the diagonal everything is 1, and powers of that matrix are huge.
TEST(UnitLowerInverse, OfEqualKeysKeepsItsDigits) {
  for (std::int64_t n : {1, 5, 64}) {
    const std::vector<double> ones(std::size_t(2 * n * n), 1.0);
    for (DType t : {DType::f32, DType::f64}) {
      const Tensor x = Tensor::of(tested(), {2, n, n}, std::span<const double>(ones), t), y = like(x);
      kernels::unit_lower_inverse(y, x);
      const auto found = y.to_doubles();
      for (std::int64_t i = 0; i < 2 * n * n; ++i) {
        const std::int64_t row = i / n % n, column = i % n;
        EXPECT_EQ(found[std::size_t(i)], row == column ? 1 : (row == column + 1 ? -1 : 0)) << i;
      }
    }
  }
}

TEST(UnitLowerInverse, TimesTheMatrixIsOne) {
  const std::int64_t n = 21;
  const Pair x = Pair::random({3, n, n}, "x", 0.2), y = Pair::result({3, n, n});
  for (auto p : {&Pair::f32, &Pair::f64}) kernels::unit_lower_inverse(y.*p, x.*p);
  expect_agrees(y, 64, "inverse");
  const Tensor below = like(x.f64), product = like(x.f64);
  kernels::lower_triangle(below, x.f64, -1);
  kernels::matmul(product, y.f64, below);
  const auto a = product.to_doubles(), inverse = y.f64.to_doubles();
  for (std::int64_t i = 0; i < 3 * n * n; ++i)
    EXPECT_NEAR(a[std::size_t(i)] + inverse[std::size_t(i)], i / n % n == i % n ? 1 : 0, 1e-13);
}

TEST(Triangles, AndTurnedRows) {
  const Tensor x = random_tensor({2, 4, 7}, "x"), y = like(x), z = like(x);
  kernels::lower_triangle(y, x, 1);
  kernels::reverse_rows(z, x);
  const auto in = x.to_doubles(), low = y.to_doubles(), turned = z.to_doubles();
  for (std::int64_t i = 0; i < 2 * 4 * 7; ++i) {
    const std::int64_t row = i / 7 % 4;
    EXPECT_EQ(low[std::size_t(i)], i % 7 <= row + 1 ? in[std::size_t(i)] : 0);
    EXPECT_EQ(turned[std::size_t(i)], in[std::size_t(i + (3 - 2 * row) * 7)]);
  }
}

TEST(Recurrence, OfNothing) {
  const Tensor none = Tensor::zeros(tested(), {2, 0, 3}), no_items = Tensor::zeros(tested(), {0, 4, 4});
  kernels::linear_scan(none, none, {}, false);
  kernels::reverse_rows(none, none);
  kernels::decayed_scores(Tensor::zeros(tested(), {2, 0, 0}), none, none, none);
  kernels::unit_lower_inverse(no_items, no_items);
  kernels::lower_triangle(no_items, no_items, 0);
}

TEST(Recurrence, WrongOperandsAreOneSentence) {
  auto z = [](const Shape& s) { return Tensor::zeros(tested(), s); };
  EXPECT_THROW(kernels::linear_scan(z({2, 3, 4}), z({2, 3, 4}), z({2, 3, 3}), false), Error);
  EXPECT_THROW(kernels::decayed_scores(z({1, 65, 65}), z({1, 65, 2}), z({1, 65, 2}), z({1, 65, 2})), Error);
  EXPECT_THROW(kernels::unit_lower_inverse(z({1, 3, 4}), z({1, 3, 4})), Error);
}

}  // namespace
}  // namespace lact
