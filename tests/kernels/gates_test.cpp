// The gate of a GLU network and its derivatives: f32 judged by f64, gradients by central differences.
#include "kernels/gates.hpp"
#include "kernels/pointwise.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

TEST(Gates, GateAndItsAdjoint) {
  const Shape s{3, 37};
  const Pair g = Pair::random(s, "g", 2), h = Pair::random(s, "h"), dm = Pair::random(s, "dm");
  Pair m = Pair::result(s), dg = m.with([](auto&t) { return like(t); }), dh = Pair::result(s);
  for (auto t : {&Pair::f32, &Pair::f64}) {
    kernels::swiglu(m.*t, g.*t, h.*t);
    kernels::swiglu_grad(dg.*t, dh.*t, g.*t, h.*t, dm.*t);
  }
  for (const Pair* p : {&m, &dg, &dh}) expect_agrees(*p, 8, "swiglu");
  auto gate = [&](const Tensor& u, const Tensor& v) {
    Tensor y = like(u);
    kernels::swiglu(y, u, v);
    return inner(y, dm.f64);
  };
  expect_slope([&](const Tensor& u) { return gate(u, h.f64); }, g.f64, dg.f64, "dg");
  expect_slope([&](const Tensor& v) { return gate(g.f64, v); }, h.f64, dh.f64, "dh");
}

TEST(Gates, AGradientMayStandWhereItsCotangentStood) {
  for (std::int64_t n : {1, 37, 1000}) {
    const Pair x = Pair::random({3, n}, "x"), y = Pair::random({3, n}, "y"), z = Pair::random({3, n}, "z");
    for (auto t : {&Pair::f32, &Pair::f64}) {
      const Tensor dg = like(x.*t), dh = like(dg), place = like(dg), other = like(dg);
      kernels::unary(kernels::Unary::copy, place, z.*t);
      kernels::swiglu_grad(dg, dh, x.*t, y.*t, z.*t);
      kernels::swiglu_grad(place, other, x.*t, y.*t, place);
      EXPECT_TRUE(same_bits(place, dg) && same_bits(other, dh)) << n;
    }
  }
}

TEST(Gates, RatedGatesAreGatesTimesTheirRates) {
  for (std::int64_t n : {1, 16, 37, 64, 1000}) {
    const Shape s{2, 3, n}, per_row{2, 3, 1};
    const Pair g = Pair::random(s, "g", 2), h = Pair::random(s, "h"), dm = Pair::random(s, "dm"),
               r0 = Pair::random(per_row, "r0"), r1 = Pair::random(per_row, "r1"), r2 = Pair::random(per_row, "r2");
    Pair m = Pair::result(s), dg = Pair::result(s), dh = Pair::result(s);
    for (auto t : {&Pair::f32, &Pair::f64})
      kernels::rated_gates({m.*t, dg.*t, dh.*t, g.*t, h.*t, dm.*t, {r0.*t, r1.*t, r2.*t}});
    for (const Pair* p : {&m, &dg, &dh}) expect_agrees(*p, 16, "rated_gates");
    Tensor plain = like(g.f64), slope_g = like(g.f64), slope_h = like(g.f64), want = like(g.f64);
    kernels::swiglu(plain, g.f64, h.f64);
    kernels::swiglu_grad(slope_g, slope_h, g.f64, h.f64, dm.f64);
    for (auto [got, x, rate] : {std::tuple{m, plain, r1}, {dg, slope_g, r0}, {dh, slope_h, r2}}) {
      kernels::binary(kernels::Binary::multiply, want, x, rate.f64.expand(s));
      EXPECT_LT(difference(got.f64, want), 1e-14) << n;
    }
  }
}

TEST(Gates, RatedGatesHaveTheirAdjoint) {
  const Shape s{5, 37}, per_row{5, 1};
  std::vector<Pair> in;  // g, h, dm, rates
  for (const char* name : {"g", "h", "dm"}) in.push_back(Pair::random(s, name));
  for (const char* name : {"r0", "r1", "r2"}) in.push_back(Pair::random(per_row, name));
  const Pair a = Pair::random(s, "a"), b = Pair::random(s, "b"), c = Pair::random(s, "c");
  std::vector<Pair> bars;
  for (const Pair& x : in) bars.push_back(Pair::result(x.f64.shape()));
  for (auto t : {&Pair::f32, &Pair::f64})
    kernels::rated_gates_grad({.g_bar = bars[0].*t,
                               .h_bar = bars[1].*t,
                               .dm_bar = bars[2].*t,
                               .rate_bars = {bars[3].*t, bars[4].*t, bars[5].*t},
                               .g = in[0].*t,
                               .h = in[1].*t,
                               .dm = in[2].*t,
                               .rates = {in[3].*t, in[4].*t, in[5].*t},
                               .m_bar = a.*t,
                               .dg_bar = b.*t,
                               .dh_bar = c.*t});
  for (std::size_t i = 0; i < in.size(); ++i) {
    expect_agrees(bars[i], i < 3 ? 16 : 64, "rated_gates_grad");
    auto along = [&](const Tensor& x) {
      std::vector<Tensor> v;
      for (const Pair& p : in) v.push_back(p.f64);
      v[i] = x;
      const Tensor m = like(v[0]), dg = like(v[0]), dh = like(v[0]);
      kernels::rated_gates({m, dg, dh, v[0], v[1], v[2], {v[3], v[4], v[5]}});
      return inner(m, a.f64) + inner(dg, b.f64) + inner(dh, c.f64);
    };
    expect_slope(along, in[i].f64, bars[i].f64, "input " + std::to_string(i));
  }
}

}  // namespace
}  // namespace lact
