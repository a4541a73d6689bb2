// What fast weights that learn in mini-batches of tokens need beside products: f32 judged by f64, gradients by central
// differences.
#include "kernels/mini_batch.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/sums.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

constexpr double eps = 1e-6;

struct Reconstructed {
  Tensor dz, z_bar, target_bar, w_rows;
};
Reconstructed reconstructed(const Tensor& z, const Tensor& target, const Tensor& w, const Tensor& b, const Tensor& c) {
  auto result = [&] { return like(z, z.shape()); };
  const Reconstructed r{result(), result(), result(), result()};
  kernels::reconstruction_grad({r.dz, z, target, w, b, eps});
  kernels::reconstruction_grad_grad({r.z_bar, r.target_bar, r.w_rows, c, z, target, w, b, eps});
  return r;
}
Tensor over_rows(const Tensor& x) {
  const Tensor y = like(x, {x.dim(0), 1, x.dim(2)});
  kernels::sum_to(y, x);
  return y;
}

TEST(Reconstruction, AgreesWithF64OnOddSizesAndViews) {
  for (std::int64_t n : {7, 16, 17, 33, 64, 100}) {
    // mini-batches of longer sequences: rows lie strided
    auto part = [](const Tensor& t) { return t.cut(1, {3, 14}); };
    const Pair z = Pair::random({3, 20, n}, "z").with(part), target = Pair::random({3, 20, n}, "target").with(part),
               w = Pair::random({3, 1, n}, "w"), b = Pair::random({3, 1, n}, "b"), c = Pair::random({3, 11, n}, "c");
    const Reconstructed got = reconstructed(z.f32, target.f32, w.f32, b.f32, c.f32),
                        judge = reconstructed(z.f64, target.f64, w.f64, b.f64, c.f64);
    // rows of few numbers nearly cancel now and then
    const double units = n < 16 ? 400 : 60;
    expect_agrees({got.dz, judge.dz}, units, sentence("dz of {}", n));
    expect_agrees({got.z_bar, judge.z_bar}, 2 * units, sentence("z_bar of {}", n));
    expect_agrees({got.target_bar, judge.target_bar}, units, sentence("target_bar of {}", n));
    expect_agrees({got.w_rows, judge.w_rows}, units, sentence("w_rows of {}", n));
  }
}

TEST(Reconstruction, IsTheSlopeOfTheLoss) {
  const Shape s{2, 3, 7}, per_item{2, 1, 7};
  const Tensor z = random_tensor(s, "z"), target = random_tensor(s, "target"), w = random_tensor(per_item, "w"),
               b = random_tensor(per_item, "b"), c = random_tensor(s, "c");
  auto loss = [&](const Tensor& at) {
    const auto x = at.to_doubles(), t = target.to_doubles(), g = w.to_doubles(), o = b.to_doubles();
    double total = 0;
    for (std::size_t row = 0; row < 6; ++row) {
      double mean = 0, var = 0;
      for (std::size_t i = 0; i < 7; ++i) mean += x[row * 7 + i] / 7;
      for (std::size_t i = 0; i < 7; ++i) var += (x[row * 7 + i] - mean) * (x[row * 7 + i] - mean) / 7;
      for (std::size_t i = 0; i < 7; ++i) {
        const std::size_t k = row / 3 * 7 + i;
        const double y = g[k] * (x[row * 7 + i] - mean) / std::sqrt(var + eps) + o[k] - t[row * 7 + i];
        total += y * y / 2;
      }
    }
    return total;
  };
  expect_slope(loss, z, reconstructed(z, target, w, b, c).dz, "dz");
}

TEST(Reconstruction, HasItsAdjoint) {
  const Shape s{2, 3, 7}, per_item{2, 1, 7};
  const Tensor z = random_tensor(s, "z"), target = random_tensor(s, "target"), w = random_tensor(per_item, "w"),
               b = random_tensor(per_item, "b"), c = random_tensor(s, "c");
  const Reconstructed r = reconstructed(z, target, w, b, c);
  auto value = [&](const Tensor& z1, const Tensor& t1, const Tensor& w1, const Tensor& b1) {
    return inner(reconstructed(z1, t1, w1, b1, c).dz, c);
  };
  expect_slope([&](const Tensor& t) { return value(t, target, w, b); }, z, r.z_bar, "z");
  expect_slope([&](const Tensor& t) { return value(z, t, w, b); }, target, r.target_bar, "target");
  expect_slope([&](const Tensor& t) { return value(z, target, t, b); }, w, over_rows(r.w_rows), "w");
  Tensor b_bar = over_rows(r.target_bar);
  kernels::unary(kernels::Unary::scale, b_bar, b_bar, -1);
  expect_slope([&](const Tensor& t) { return value(z, target, w, t); }, b, b_bar, "b");
}

TEST(Reconstruction, EmptyTensorsAndWrongShapes) {
  for (const Shape& s : {Shape{0, 3, 5}, {2, 0, 5}, {2, 3, 0}}) {
    const Tensor x = Tensor::zeros(tested(), s), w = Tensor::zeros(tested(), {s[0], 1, s[2]});
    EXPECT_EQ(reconstructed(x, x, w, w, x).dz.count(), 0);
  }
  const Tensor x = Tensor::zeros(tested(), {2, 3, 5}), w = Tensor::zeros(tested(), {2, 1, 5}),
               row = Tensor::zeros(tested(), {5});
  EXPECT_THROW(reconstructed(x, x, row, w, x), Error);
  EXPECT_THROW(reconstructed(x, x.cut(1, {0, 2}), w, w, x), Error);
}

TEST(Reconstruction, ThreadsChangeNoBit) {
  const Tensor x = random_tensor({7, 300, 65}, "x", DType::f32), t = random_tensor({7, 300, 65}, "t", DType::f32),
               w = random_tensor({7, 1, 65}, "w", DType::f32);
  expect_thread_independent([&] { return reconstructed(x, t, w, w, t).z_bar; }, "reconstruction_grad_grad");
}

}  // namespace
}  // namespace lact
