// Norms of rows and columns: f32 judged by f64, gradients by central differences.
#include "kernels/norms.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

constexpr double eps = 1e-5;

enum class Norm { rms, layer, l2, silu_l2, silu };
struct Rows {  // results of one kernel and its gradient
  Tensor y, mean, r, dx, dw;
};
Rows run(Norm norm, const Tensor& x, const Tensor& w, const Tensor& dy) {
  Shape per_row = x.shape();
  per_row.pop_back();
  Rows out{like(x, x.shape()), like(x, per_row), like(x, per_row), like(x, x.shape()),
           w.defined() ? like(w) : Tensor{}};
  switch (norm) {
    case Norm::rms:
      kernels::rms_norm(out.y, out.r, x, w, eps);
      kernels::rms_norm_grad(out.dx, out.dw, dy, x, w, out.r);
      break;
    case Norm::layer:
      kernels::layer_norm(out.y, out.mean, out.r, x, w, eps);
      kernels::layer_norm_grad({out.dx, out.dw, dy, x, w, out.mean, out.r, {}});
      break;
    case Norm::l2:
      kernels::l2_norm(out.y, out.r, x, eps);
      kernels::l2_norm_grad(out.dx, dy, x, out.r, eps);
      break;
    case Norm::silu_l2:
      kernels::silu_rows(out.y, out.r, x, eps);
      kernels::silu_rows_grad(out.dx, dy, x, out.r, eps);
      break;
    case Norm::silu:
      kernels::silu_rows(out.y, {}, x, eps);
      kernels::silu_rows_grad(out.dx, dy, x, {}, eps);
      kernels::fill(out.r, 0);
      break;
  }
  return out;
}

bool has_weights(Norm n) { return n == Norm::rms || n == Norm::layer; }

class RowNorms : public testing::TestWithParam<Norm> {};
INSTANTIATE_TEST_SUITE_P(All, RowNorms, testing::Values(Norm::rms, Norm::layer, Norm::l2, Norm::silu_l2, Norm::silu));

TEST_P(RowNorms, AgreeWithF64OnOddSizesAndViews) {
  for (std::int64_t n : {1, 7, 16, 17, 33, 100})
    for (bool weighted : {true, false}) {
      // heads beside each other: rows lie strided
      const Pair x = Pair::random({2, 75, 3, n}, "x").with([](const Tensor& t) { return t.permute({0, 2, 1, 3}); });
      const Pair dy = Pair::random({2, 3, 75, n}, "dy");
      const Pair w = weighted && has_weights(GetParam()) ? Pair::random({n}, "w") : Pair{};
      const Rows a = run(GetParam(), x.f32, w.f32, dy.f32), b = run(GetParam(), x.f64, w.f64, dy.f64);
      const std::string what = sentence("norm {} of {}", int(GetParam()), n);
      expect_agrees({a.y, b.y}, n == 1 ? 64 : 16, what + ": y");
      if (n == 1) continue;  // the gradient is a difference of equal terms: nothing but rounding
      // rows of few numbers nearly cancel now and then: r^2 times the rounding of x
      expect_agrees({a.dx, b.dx}, n < 16 ? 400 : 40, what + ": dx");
      if (w.f32.defined()) expect_agrees({a.dw, b.dw}, 40, what + ": dw");
    }
}

TEST_P(RowNorms, GradientsMatchDifferences) {
  const Tensor x = random_tensor({5, 11}, "x"), w = has_weights(GetParam()) ? random_tensor({11}, "w") : Tensor{},
               dy = random_tensor({5, 11}, "dy");
  const Rows out = run(GetParam(), x, w, dy);
  expect_slope([&](const Tensor& t) { return inner(run(GetParam(), t, w, dy).y, dy); }, x, out.dx, "dx");
  if (w.defined())
    expect_slope([&](const Tensor& t) { return inner(run(GetParam(), x, t, dy).y, dy); }, w, out.dw, "dw");
}

TEST_P(RowNorms, ZeroRowsAndEmptyTensorsGiveFiniteNumbers) {
  const Tensor x = Tensor::zeros(tested(), {3, 9}), dy = random_tensor({3, 9}, "dy", DType::f32);
  const Rows out = run(GetParam(), x, {}, dy);
  for (const Tensor* t : {&out.y, &out.r, &out.dx})
    for (double v : t->to_doubles()) EXPECT_TRUE(std::isfinite(v));
  run(GetParam(), Tensor::zeros(tested(), {0, 9}), {}, Tensor::zeros(tested(), {0, 9}));
  if (GetParam() == Norm::l2) {
    EXPECT_LE(difference(out.dx,
                         [&] {
                           Tensor want = like(dy);
                           kernels::unary(kernels::Unary::scale, want, dy, 1 / eps);
                           return want;
                         }()),
              2 * eps32);
  }
}

// What came to the sum on another way is added to the gradient through its norm, and rows may lie anywhere.
TEST(RowSums, ANormOfASumIsTheSumAndThenItsNorm) {
  for (std::int64_t n : {1, 7, 33, 100}) {
    auto heads = [](const Tensor& t) { return t.permute({0, 2, 1, 3}); };
    const Pair a = Pair::random({2, 75, 3, n}, "a").with(heads), b = Pair::random({2, 3, 75, n}, "b"),
               dy = Pair::random({2, 3, 75, n}, "dy"), beside = Pair::random({2, 75, 3, n}, "beside").with(heads),
               w = Pair::random({n}, "w");
    for (auto t : {&Pair::f32, &Pair::f64}) {
      const Tensor s = like(b.*t), y = like(s), mean = like(s, {2, 3, 75}), r = like(mean), sum = like(s),
                   both = like(s);
      kernels::add_layer_norm({s, y, mean, r, a.*t, b.*t, w.*t, eps});
      kernels::binary(kernels::Binary::add, sum, a.*t, b.*t);
      const Rows apart = run(Norm::layer, sum, w.*t, dy.*t);
      EXPECT_TRUE(same_bits(s, sum) && same_bits(y, apart.y) && same_bits(mean, apart.mean) && same_bits(r, apart.r));
      const Tensor dx = like(s), dw = like(w.*t);
      kernels::layer_norm_grad({dx, dw, dy.*t, s, w.*t, mean, r, beside.*t});
      kernels::binary(kernels::Binary::add, both, apart.dx, beside.*t);
      const double unit = t == &Pair::f32 ? eps32 : 2.3e-16;  // a product and a sum may round once
      EXPECT_LE(difference(dx, both), 2 * unit);
      EXPECT_TRUE(same_bits(dw, apart.dw));
    }
  }
  const Tensor none = Tensor::zeros(tested(), {0, 9}), rows = Tensor::zeros(tested(), {0});
  kernels::add_layer_norm({none, none, rows, rows, none, none, {}, eps});
  EXPECT_THROW(kernels::add_layer_norm({none, none, rows, rows, none, Tensor::zeros(tested(), {0, 7}), {}, eps}),
               Error);
}

TEST(RowSums, AGradientMayTakeThePlaceOfItsCotangent) {
  for (std::int64_t n : {1, 7, 64}) {
    const Pair x = Pair::random({40, n}, "x"), dy = Pair::random({40, n}, "dy"), w = Pair::random({n}, "w");
    for (auto t : {&Pair::f32, &Pair::f64}) {
      const Rows apart = run(Norm::rms, x.*t, w.*t, dy.*t);
      const Tensor place = like(dy.*t), dw = like(w.*t);
      kernels::unary(kernels::Unary::copy, place, dy.*t);
      kernels::rms_norm_grad(place, dw, place, x.*t, w.*t, apart.r);
      EXPECT_TRUE(same_bits(place, apart.dx) && same_bits(dw, apart.dw));
    }
  }
}

TEST(RowSums, ThreadsChangeNoBit) {
  const Tensor x = random_tensor({300, 1037}, "x", DType::f32), dy = random_tensor({300, 1037}, "dy", DType::f32),
               w = random_tensor({1037}, "w", DType::f32);
  expect_thread_independent([&] { return run(Norm::rms, x, w, dy).dw; }, "rms_norm_grad");
}

TEST(ColumnNorms, AgreeAndDifferentiate) {
  for (std::int64_t n : {1, 7, 33, 100}) {
    const Shape s{2, 77, n}, per{2, 1, n};
    const Pair w = Pair::random(s, "w"), target = Pair::random(per, "target"), dy = Pair::random(s, "dy");
    Pair norm = Pair::result(per), y = Pair::result(s), again = Pair::result(per), dw = Pair::result(s),
         dt = Pair::result(per);
    for (auto t : {&Pair::f32, &Pair::f64}) {
      kernels::column_norm(norm.*t, w.*t);
      kernels::keep_column_norm(y.*t, again.*t, w.*t, target.*t, eps);
      kernels::keep_column_norm_grad(dw.*t, dt.*t, dy.*t, w.*t, norm.*t, target.*t, eps);
    }
    EXPECT_TRUE(same_bits(norm.f32, again.f32));
    for (const Pair* p : {&norm, &y, &dw, &dt}) expect_agrees(*p, 30, sentence("column norms of {}", n));
    auto kept = [&](const Tensor& weights, const Tensor& wanted) {
      Tensor r = like(weights), l = like(wanted);
      kernels::keep_column_norm(r, l, weights, wanted, eps);
      return inner(r, dy.f64);
    };
    expect_slope([&](const Tensor& t) { return kept(t, target.f64); }, w.f64, dw.f64, "dw");
    expect_slope([&](const Tensor& t) { return kept(w.f64, t); }, target.f64, dt.f64, "dtarget");
  }
  const Tensor zero = Tensor::zeros(tested(), {1, 4, 3}),
               ones = Tensor::of(tested(), {1, 1, 3}, std::vector<float>{1, 1, 1});
  Tensor dw = like(zero), norm = Tensor::zeros(tested(), {1, 1, 3});
  kernels::keep_column_norm_grad(dw, {}, zero, zero, norm, ones, 0);
  EXPECT_EQ(dw.to_floats(), std::vector<float>(12, 0.f));
}

}  // namespace
}  // namespace lact
