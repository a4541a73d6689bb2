// Products joined with what follows them, against one kernel after the other in f64.
#include "kernels/gated_products.hpp"
#include "base/check.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

using kernels::Binary;
using kernels::Unary;

Tensor product(const Tensor& a, const Tensor& b) {
  Shape s = a.shape();
  s.back() = b.dim(-1);
  const Tensor y = like(a, s);
  kernels::matmul(y, a, b);
  return y;
}
Tensor turned(const Tensor& t) { return t.transpose(); }
Tensor same(const Tensor& t) { return t; }

struct Sizes {
  std::int64_t items, tokens, width, hidden;
};
const Sizes all_sizes[] = {{1, 1, 1, 1}, {2, 7, 5, 3}, {3, 33, 24, 40}, {2, 64, 32, 48},
                           {2, 0, 5, 3}, {0, 4, 5, 3}, {2, 4, 0, 3}};

TEST(GatedProducts, GatesOfTwoProducts) {
  for (const Sizes& s : all_sizes)
    for (bool stored_turned : {false, true}) {
      const Shape turned_shape{s.items, s.hidden, s.width}, shape{s.items, s.width, s.hidden};
      const Shape hidden{s.items, s.tokens, s.hidden};
      const Pair x = Pair::random({s.items, s.tokens, s.width}, "x"),
                 w0 = Pair::random(stored_turned ? turned_shape : shape, "w0").with(stored_turned ? turned : same),
                 w2 = Pair::random(stored_turned ? turned_shape : shape, "w2").with(stored_turned ? turned : same);
      const Pair m = Pair::result(hidden), g = Pair::result(hidden), h = Pair::result(hidden);
      for (auto t : {&Pair::f32, &Pair::f64}) kernels::swiglu_products(m.*t, g.*t, h.*t, x.*t, w0.*t, w2.*t);
      const Tensor want = like(m.f64);
      kernels::swiglu(want, product(x.f64, w0.f64), product(x.f64, w2.f64));
      EXPECT_LT(difference(m.f64, want), 1e-14);
      EXPECT_LT(difference(g.f64, product(x.f64, w0.f64)), 1e-14);
      EXPECT_LT(difference(h.f64, product(x.f64, w2.f64)), 1e-14);
      // sums of `width` products round a few times each; the gate multiplies two of them
      for (const Pair* p : {&m, &g, &h}) expect_agrees(*p, 16 + 2 * double(s.width), "swiglu_products");
    }
}

TEST(GatedProducts, GradientOfTheGateOfAProduct) {
  for (const Sizes& s : all_sizes) {
    const Shape hidden{s.items, s.tokens, s.hidden};
    // heads beside each other, as a projection leaves them
    const Pair dy = Pair::random({s.tokens, s.items, s.width}, "dy").with([](const Tensor& t) {
      return t.permute({1, 0, 2});
    });
    const Pair w1 = Pair::random({s.items, s.hidden, s.width}, "w1"), g = Pair::random(hidden, "g"),
               h = Pair::random(hidden, "h"), dg = Pair::result(hidden), dh = Pair::result(hidden);
    for (auto t : {&Pair::f32, &Pair::f64}) kernels::swiglu_grad_product(dg.*t, dh.*t, dy.*t, w1.*t, g.*t, h.*t);
    const Tensor want_g = like(g.f64), want_h = like(g.f64);
    kernels::swiglu_grad(want_g, want_h, g.f64, h.f64, product(dy.f64, w1.f64.transpose()));
    EXPECT_LT(difference(dg.f64, want_g), 1e-14);
    EXPECT_LT(difference(dh.f64, want_h), 1e-14);
    for (const Pair* p : {&dg, &dh}) expect_agrees(*p, 16 + 2 * double(s.width), "swiglu_grad_product");
  }
}

TEST(GatedProducts, RatedGatesOfAProduct) {
  for (const Sizes& s : all_sizes) {
    const Shape hidden{s.items, s.tokens, s.hidden}, per_row{s.items, s.tokens};
    const Pair v = Pair::random({s.items, s.tokens, s.width}, "v"),
               w1 = Pair::random({s.items, s.hidden, s.width}, "w1"), g = Pair::random(hidden, "g"),
               h = Pair::random(hidden, "h"), r0 = Pair::random(per_row, "r0"), r1 = Pair::random(per_row, "r1"),
               r2 = Pair::random(per_row, "r2");
    const Pair m = Pair::result(hidden), dg = Pair::result(hidden), dh = Pair::result(hidden),
               dm = Pair::result(hidden);
    for (auto t : {&Pair::f32, &Pair::f64})
      kernels::rated_gates_product({m.*t, dg.*t, dh.*t, dm.*t, v.*t, w1.*t, g.*t, h.*t, {r0.*t, r1.*t, r2.*t}});
    const Tensor want = product(v.f64, w1.f64.transpose()), a = like(want), b = like(want), c = like(want);
    kernels::rated_gates({a, b, c, g.f64, h.f64, want, {r0.f64, r1.f64, r2.f64}});
    for (auto [got, judge] : {std::pair{m, a}, {dg, b}, {dh, c}, {dm, want}}) {
      EXPECT_LT(difference(got.f64, judge), 1e-14);
      expect_agrees(got, 32 + 2 * double(s.width), "rated_gates_product");
    }
  }
}

TEST(GatedProducts, GeluOfAProductAndItsGradient) {
  for (const Sizes& s : all_sizes) {
    const std::int64_t rows = s.items * s.tokens;
    const Pair x = Pair::random({rows, s.width}, "x"), w = Pair::random({s.hidden, s.width}, "w"),
               dy = Pair::random({rows, s.width}, "dy"), back = Pair::random({s.width, s.hidden}, "back");
    const Pair y = Pair::result({rows, s.hidden}), u = Pair::result({rows, s.hidden}),
               du = Pair::result({rows, s.hidden});
    for (auto t : {&Pair::f32, &Pair::f64}) {
      kernels::gelu_product(y.*t, u.*t, x.*t, w.*t);
      kernels::gelu_grad_product(du.*t, dy.*t, back.*t, u.*t);
    }
    const Tensor want = product(x.f64, w.f64.transpose()), want_y = like(want), want_du = like(want);
    kernels::unary(Unary::gelu, want_y, want);
    kernels::binary(Binary::gelu_grad, want_du, want, product(dy.f64, back.f64));
    for (auto [got, judge] : {std::pair{u, want}, {y, want_y}, {du, want_du}}) {
      EXPECT_LT(difference(got.f64, judge), 1e-14);
      expect_agrees(got, 16 + 2 * double(s.width), "gelu_product");
    }
  }
}

TEST(GatedProducts, SizesThatDoNotFitAreRefused) {
  auto z = [](const Shape& s) { return Tensor::zeros(tested(), s); };
  const Tensor x = z({2, 4, 5}), w = z({2, 5, 3}), w1 = z({2, 3, 5}), g = z({2, 4, 3}), r = z({2, 4});
  EXPECT_THROW(kernels::swiglu_products(g, g, z({2, 4, 2}), x, w, w), Error);
  EXPECT_THROW(kernels::swiglu_products(z({2, 4, 2}), g, g, x, w, w), Error);
  EXPECT_THROW(kernels::swiglu_products(g, g, g, x, w, w1), Error);
  EXPECT_THROW(kernels::swiglu_grad_product(g, g, x, w, g, g), Error);
  EXPECT_THROW(kernels::swiglu_grad_product(g, g, x, w1, g, z({2, 4, 2})), Error);
  EXPECT_THROW(kernels::rated_gates_product({g, g, g, g, x, w1, g, g, {r, r, z({4})}}), Error);
  EXPECT_THROW(kernels::rated_gates_product({g, g, g, z({2, 3, 3}), x, w1, g, g, {r, r, r}}), Error);
  EXPECT_THROW(kernels::gelu_product(z({4, 3}), z({4, 3}), z({4, 5}), z({5, 3})), Error);
  EXPECT_THROW(kernels::gelu_grad_product(z({4, 3}), z({4, 5}), z({3, 5}), z({4, 3})), Error);
}

}  // namespace
}  // namespace lact
