// The selective scan: against loops over tokens and states, and its gradients against differences.
#include "kernels/selective_scan.hpp"

#include "base/check.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

struct Scan {
  std::int64_t s, t, d, n;
  Pair u, delta, a, b, c, first;
  Scan(std::int64_t samples, std::int64_t tokens, std::int64_t channels, std::int64_t states)
      : s(samples),
        t(tokens),
        d(channels),
        n(states),
        u(Pair::random({s, t, d}, "u")),
        delta(Pair::random({s, t, d}, "delta")),
        a(Pair::random({d, n}, "a")),
        b(Pair::random({s, t, n}, "b")),
        c(Pair::random({s, t, n}, "c")),
        first(Pair::random({s, d, n}, "first")) {
    for (auto p : {&Pair::f32, &Pair::f64}) {
      rewrite(delta.*p, [](std::int64_t, double v) { return std::abs(v); });
      rewrite(a.*p, [](std::int64_t, double v) { return -std::abs(v); });
    }
  }
  Shape starts() const { return {s, (t + kernels::scan_piece - 1) / kernels::scan_piece, n, d}; }
};

double weighed(const Scan& x, const std::vector<Tensor>& v, const Tensor& dy, const Tensor& dlast) {
  const Tensor y = like(v[0]), last = like(v[5]), starts = Tensor::empty(tested(), x.starts(), DType::f64);
  kernels::selective_scan({.y = y,
                           .last = last,
                           .starts = starts,
                           .u = v[0],
                           .delta = v[1],
                           .a = v[2],
                           .b = v[3],
                           .c = v[4],
                           .first = v[5]});
  return inner(y, dy) + inner(last, dlast);
}

// Odd numbers of channels and states, lengths below, at and above the pieces whose states are kept.
const std::array<std::int64_t, 4> sizes[] = {{2, 7, 5, 3}, {1, 32, 1, 1}, {2, 33, 19, 6}, {1, 70, 133, 2}};

TEST(SelectiveScan, IsItsRecurrence) {
  for (const auto& [s, t, d, n] : sizes) {
    const Scan x(s, t, d, n);
    const Pair y = Pair::result({s, t, d}), last = Pair::result({s, d, n}), starts = Pair::result(x.starts());
    for (auto p : {&Pair::f32, &Pair::f64})
      kernels::selective_scan({.y = y.*p,
                               .last = last.*p,
                               .starts = starts.*p,
                               .u = x.u.*p,
                               .delta = x.delta.*p,
                               .a = x.a.*p,
                               .b = x.b.*p,
                               .c = x.c.*p,
                               .first = x.first.*p});
    for (const Pair* p : {&y, &last, &starts}) expect_agrees(*p, 64, sentence("{} tokens of {} channels", t, d));
    const auto u = x.u.f64.to_doubles(), delta = x.delta.f64.to_doubles(), a = x.a.f64.to_doubles(),
               b = x.b.f64.to_doubles(), c = x.c.f64.to_doubles(), first = x.first.f64.to_doubles(),
               out = y.f64.to_doubles(), end = last.f64.to_doubles();
    for (std::int64_t row = 0; row < s * d; ++row) {
      std::vector<double> h(first.begin() + row * n, first.begin() + (row + 1) * n);
      for (std::int64_t i = 0; i < t; ++i) {
        const auto token = std::size_t(row / d * t + i), at = token * std::size_t(d) + std::size_t(row % d);
        double sum = 0;
        for (std::size_t k = 0; k < std::size_t(n); ++k) {
          h[k] = std::exp(delta[at] * a[std::size_t(row % d * n) + k]) * h[k] +
                 delta[at] * u[at] * b[token * std::size_t(n) + k];
          sum += c[token * std::size_t(n) + k] * h[k];
        }
        ASSERT_NEAR(out[at], sum, 1e-12 * (1 + std::abs(sum)));
      }
      for (std::size_t k = 0; k < std::size_t(n); ++k) ASSERT_NEAR(end[std::size_t(row * n) + k], h[k], 1e-12);
    }
  }
}

TEST(SelectiveScan, HasItsGradients) {
  for (const auto& [s, t, d, n] : sizes) {
    const Scan x(s, t, d, n);
    const Pair dy = Pair::random({s, t, d}, "dy"), dlast = Pair::random({s, d, n}, "dlast");
    const std::vector<const Pair*> in{&x.u, &x.delta, &x.a, &x.b, &x.c, &x.first};
    std::vector<Pair> out;
    for (const Pair* p : in) out.push_back(Pair::result(p->f64.shape()));
    for (auto p : {&Pair::f32, &Pair::f64}) {
      const Tensor y = like(x.u.*p), last = like(x.first.*p), starts = like(x.u.*p, x.starts());
      kernels::selective_scan({.y = y,
                               .last = last,
                               .starts = starts,
                               .u = x.u.*p,
                               .delta = x.delta.*p,
                               .a = x.a.*p,
                               .b = x.b.*p,
                               .c = x.c.*p,
                               .first = x.first.*p});
      kernels::selective_scan_grad({.du = out[0].*p,
                                    .ddelta = out[1].*p,
                                    .da = out[2].*p,
                                    .db = out[3].*p,
                                    .dc = out[4].*p,
                                    .dfirst = out[5].*p,
                                    .dy = dy.*p,
                                    .dlast = dlast.*p,
                                    .u = x.u.*p,
                                    .delta = x.delta.*p,
                                    .a = x.a.*p,
                                    .b = x.b.*p,
                                    .c = x.c.*p,
                                    .starts = starts});
    }
    for (std::size_t i = 0; i < in.size(); ++i) {
      expect_agrees(out[i], 128, sentence("gradient {} of {} tokens", i, t));
      auto along = [&](const Tensor& moved) {
        std::vector<Tensor> v;
        for (const Pair* p : in) v.push_back(p->f64);
        v[i] = moved;
        return weighed(x, v, dy.f64, dlast.f64);
      };
      expect_slope(along, in[i]->f64, out[i].f64, sentence("input {} of {} tokens", i, t));
    }
  }
}

TEST(SelectiveScan, TheThreadsDoNotChangeTheBits) {
  if (!on_cpu()) return;
  const Scan x(2, 40, 150, 3);
  expect_thread_independent(
      [&] {
        const Tensor y = like(x.u.f32), last = like(x.first.f32), starts = like(x.u.f32, x.starts()),
                     db = like(x.b.f32), other = like(x.u.f32), more = like(x.u.f32), da = like(x.a.f32);
        kernels::selective_scan({.y = y,
                                 .last = last,
                                 .starts = starts,
                                 .u = x.u.f32,
                                 .delta = x.delta.f32,
                                 .a = x.a.f32,
                                 .b = x.b.f32,
                                 .c = x.c.f32,
                                 .first = {}});
        kernels::selective_scan_grad({.du = other,
                                      .ddelta = more,
                                      .da = da,
                                      .db = db,
                                      .dc = like(x.c.f32),
                                      .dfirst = like(last),
                                      .dy = x.u.f32,
                                      .dlast = {},
                                      .u = x.u.f32,
                                      .delta = x.delta.f32,
                                      .a = x.a.f32,
                                      .b = x.b.f32,
                                      .c = x.c.f32,
                                      .starts = starts});
        return db;
      },
      "db");
}

TEST(SelectiveScan, OfNoTokensKeepsItsState) {
  const Scan x(2, 0, 3, 2);
  const Tensor y = like(x.u.f32), last = like(x.first.f32);
  kernels::selective_scan({.y = y,
                           .last = last,
                           .starts = Tensor::empty(tested(), x.starts()),
                           .u = x.u.f32,
                           .delta = x.delta.f32,
                           .a = x.a.f32,
                           .b = x.b.f32,
                           .c = x.c.f32,
                           .first = x.first.f32});
  EXPECT_TRUE(same_bits(last, x.first.f32));
}

TEST(SelectiveScan, WrongOperandsAreOneSentence) {
  const Scan x(1, 3, 4, 2);
  const Tensor y = like(x.u.f32), last = like(x.first.f32), starts = Tensor::empty(tested(), x.starts());
  EXPECT_THROW(kernels::selective_scan({.y = y,
                                        .last = last,
                                        .starts = starts,
                                        .u = x.u.f32,
                                        .delta = x.delta.f32,
                                        .a = x.a.f32,
                                        .b = x.c.f32.permute({0, 2, 1}),
                                        .c = x.c.f32,
                                        .first = {}}),
               Error);
}

}  // namespace
}  // namespace lact
