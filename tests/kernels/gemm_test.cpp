// Matrix products, judged by their definition.
#include "kernels/gemm.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

// The definition, in double.
std::vector<double> product(const Tensor& a, const Tensor& b, double alpha, double beta, const Tensor& before) {
  const auto x = a.to_doubles(), z = b.to_doubles(), old = before.to_doubles();
  const auto m = std::size_t(a.dim(-2)), k = std::size_t(a.dim(-1)), n = std::size_t(b.dim(-1));
  std::vector<double> y(old.size());
  for (std::size_t at = 0; at < y.size(); ++at) {
    const std::size_t j = at % n, i = at / n % m, item = at / n / m;
    double sum = 0;
    for (std::size_t l = 0; l < k; ++l) sum += x[(item * m + i) * k + l] * z[(item * k + l) * n + j];
    y[at] = alpha * sum + (beta == 0 ? 0 : beta * old[at]);
  }
  return y;
}
Tensor stored(const Shape& s, bool transposed, const char* name, DType t) {
  if (!transposed) return random_tensor(s, name, t);
  Shape turned = s;
  std::swap(turned.end()[-1], turned.end()[-2]);
  return random_tensor(turned, name, t).transpose();
}
Tensor as(const Tensor& x, DType t) {
  Tensor y = Tensor::empty(tested(), x.shape(), t);
  kernels::unary(kernels::Unary::copy, y, x);
  return y;
}
void expect_product(const Tensor& y, const Tensor& a, const Tensor& b, double alpha, double beta, double units) {
  const auto want = product(a, b, alpha, beta, y);
  kernels::matmul(y, a, b, alpha, beta);
  const double k = double(std::max<std::int64_t>(1, a.dim(-1)));
  const auto got = y.to_doubles();
  for (std::size_t i = 0; i < got.size(); ++i)  // k roundings of a sum of size sqrt(k) add up to sqrt(k) sqrt(k) units
    ASSERT_NEAR(got[i], want[i], units * (2 * k + 8) * (std::abs(alpha) + std::abs(beta)))
        << text_of(a.shape()) << " x " << text_of(b.shape()) << " strides " << text_of(a.strides())
        << text_of(b.strides());
}

TEST(Matmul, EveryTransposeSizeAndFactor) {
  const std::int64_t sizes[][3] = {{1, 1, 1},    {7, 1, 3},    {1, 9, 5},     {5, 7, 1},
                                   {16, 17, 33}, {33, 100, 7}, {100, 33, 65}, {128, 200, 130}};
  for (DType t : {DType::f32, DType::f64})
    for (const auto& s : sizes)
      for (int how = 0; how < 12; ++how) {
        const Tensor a = stored({3, s[0], s[2]}, how & 1, "a", t), b = stored({3, s[2], s[1]}, how & 2, "b", t);
        const double alpha = how < 4 ? 1 : 0.5, beta = how < 8 ? 0 : 2;
        expect_product(random_tensor({3, s[0], s[1]}, "y", t), a, b, alpha, beta, t == DType::f32 ? eps32 : 2e-16);
      }
}

TEST(Matmul, NothingToSumOrToWrite) {
  for (DType t : {DType::f32, DType::f64, DType::bf16}) {
    const DType out = t == DType::bf16 ? DType::f32 : t;
    const Tensor a = Tensor::empty(tested(), {2, 3, 0}, t), b = Tensor::empty(tested(), {2, 0, 5}, t);
    Tensor y = Tensor::of(tested(), {2, 3, 5}, std::vector<double>(30, std::nan("")), out);
    kernels::matmul(y, a, b);
    EXPECT_EQ(y.to_doubles(), std::vector<double>(30, 0.0));
    y = Tensor::of(tested(), {2, 3, 5}, std::vector<double>(30, 3.0), out);
    kernels::matmul(y, a, b, 1, 0.5);
    EXPECT_EQ(y.to_doubles(), std::vector<double>(30, 1.5));
    kernels::matmul(Tensor::empty(tested(), {2, 0, 5}, out), Tensor::empty(tested(), {2, 0, 4}, t),
                    Tensor::empty(tested(), {2, 4, 5}, t));
    kernels::matmul(Tensor::empty(tested(), {0, 3, 5}, out), Tensor::empty(tested(), {0, 3, 4}, t),
                    Tensor::empty(tested(), {0, 4, 5}, t));
  }
}

TEST(Matmul, AddsAnotherMatrix) {
  for (DType t : {DType::f32, DType::f64})
    for (std::int64_t k : {0, 1, 40}) {
      const Tensor a = random_tensor({2, 33, k}, "a", t), b = random_tensor({2, 50, k}, "b", t).transpose(),
                   c = random_tensor({2, 33, 50}, "c", t), y = Tensor::empty(tested(), {2, 33, 50}, t);
      for (double beta : {0.0, 0.5, 1.0}) {
        rewrite(y, [](std::int64_t, double) { return std::nan(""); });
        kernels::matmul_add(y, c, a, b, -2, beta);
        const auto want = product(a, b, -2, beta, c), got = y.to_doubles();
        for (std::size_t i = 0; i < got.size(); ++i)
          ASSERT_NEAR(got[i], want[i], (t == DType::f32 ? eps32 : 2e-16) * double(2 * k + 8) * (2 + beta)) << k;
      }
      EXPECT_EQ(c.to_doubles(), random_tensor({2, 33, 50}, "c", t).to_doubles());
    }
  const Tensor a = random_tensor({2, 33, 40}, "a", DType::bf16), b = random_tensor({2, 40, 50}, "b", DType::bf16),
               c = random_tensor({2, 33, 50}, "c", DType::bf16), y = like(c);
  kernels::matmul_add(y, c, a, b, 0.5, 2);
  const auto want = product(a, b, 0.5, 2, c), got = y.to_doubles();
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 2.5 / 256 * (2 * 40 + 8)) << i;
  EXPECT_THROW(kernels::matmul_add(Tensor::zeros(tested(), {3, 4}), Tensor::zeros(tested(), {3, 5}).cut(1, {0, 4}),
                                   Tensor::zeros(tested(), {3, 2}), Tensor::zeros(tested(), {2, 4}), 1, 1),
               Error);
}

TEST(Matmul, ViewsOfBatches) {
  for (DType t : {DType::f32, DType::f64}) {
    const double unit = t == DType::f32 ? eps32 : 2e-16;
    // heads between rows, as attention has them: [b, t, h, d] seen as [b, h, t, d]
    const Tensor q = random_tensor({2, 20, 3, 17}, "q", t).permute({0, 2, 1, 3}),
                 k = random_tensor({2, 21, 3, 17}, "k", t).permute({0, 2, 1, 3});
    expect_product(Tensor::zeros(tested(), {2, 3, 20, 21}, t), q, k.transpose(), 0.25, 0, unit);
    // the result is a view with gaps
    Tensor wide = Tensor::zeros(tested(), {2, 20, 3, 40}, t);
    expect_product(wide.cut(3, {5, 26}).permute({0, 2, 1, 3}), q, k.transpose(), 1, 1, unit);
    EXPECT_EQ(wide.cut(3, {0, 5}).to_doubles(), std::vector<double>(600, 0.0));
    EXPECT_EQ(wide.cut(3, {26, 40}).to_doubles(), std::vector<double>(1680, 0.0));
    // one matrix for all items; one row or one column repeated; a cut of a wider matrix
    const Tensor x = random_tensor({4, 30, 17}, "x", t), w = random_tensor({17, 9}, "w", t);
    expect_product(Tensor::zeros(tested(), {4, 30, 9}, t), x, w.expand({4, 17, 9}), 1, 0, unit);
    expect_product(Tensor::zeros(tested(), {4, 17, 9}, t), x.transpose(), random_tensor({4, 30, 9}, "z", t), 1, 0,
                   unit);
    expect_product(Tensor::zeros(tested(), {30, 9}, t), random_tensor({1, 17}, "row", t).expand({30, 17}), w, 1, 0,
                   unit);
    expect_product(Tensor::zeros(tested(), {17, 9}, t), random_tensor({17, 1}, "column", t).expand({17, 30}),
                   random_tensor({30, 9}, "z", t), 1, 0, unit);
    expect_product(Tensor::zeros(tested(), {4, 30, 5}, t), x.cut(2, {3, 10}),
                   w.cut(0, {1, 8}).cut(1, {2, 7}).expand({4, 7, 5}), 1, 0, unit);
  }
}

TEST(Matmul, Bf16) {
  for (DType out : {DType::f32, DType::bf16})
    for (int how = 0; how < 4; ++how) {
      const Tensor a = stored({2, 2, 33, 40}, how & 1, "a", DType::bf16),
                   b = stored({2, 2, 40, 50}, how & 2, "b", DType::bf16);
      const double unit = out == DType::f32 ? eps32 : 1.0 / 256;
      expect_product(as(random_tensor({2, 2, 33, 50}, "y"), out), a, b, 1, 0, unit);
      expect_product(as(random_tensor({2, 2, 33, 50}, "y"), out), a, b, 0.5, 2, unit);
      expect_product(as(random_tensor({2, 2, 33, 50}, "y"), out), a, b.cut(0, {0, 1}).expand({2, 2, 40, 50}), 1, 0,
                     unit);
    }
}

TEST(Matmul, ThreadsChangeNoBit) {
  const Tensor x = random_tensor({1536, 128}, "x", DType::f32), w = random_tensor({128, 384}, "w", DType::f32),
               dy = random_tensor({1536, 384}, "dy", DType::f32);
  auto times = [](const Tensor& a, const Tensor& b) {
    Tensor y = Tensor::empty(tested(), {a.dim(0), b.dim(1)});
    kernels::matmul(y, a, b);
    return y;
  };
  expect_thread_independent([&] { return times(x, w); }, "x w");
  expect_thread_independent([&] { return times(dy.transpose(), x); }, "dy' x");
  expect_thread_independent([&] { return times(dy, w.transpose()); }, "dy w'");
}

TEST(Matmul, WrongUseIsOneSentence) {
  auto z = [](const Shape& s, DType t = DType::f32) { return Tensor::zeros(tested(), s, t); };
  EXPECT_THROW(kernels::matmul(z({2, 3}), z({2, 4}), z({5, 3})), Error);
  EXPECT_THROW(kernels::matmul(z({2, 3}), z({2, 4}), z({1, 4, 3})), Error);
  EXPECT_THROW(kernels::matmul(z({2, 3}), z({2, 4}), z({4, 3}, DType::f64)), Error);
  EXPECT_THROW(kernels::matmul(z({2, 3}, DType::i32), z({2, 4}, DType::i32), z({4, 3}, DType::i32)), Error);
  EXPECT_THROW(kernels::matmul(z({3, 2}).transpose(), z({2, 4}), z({4, 3})), Error);
  EXPECT_THROW(kernels::matmul(z({2, 3}), z({2, 4, 2}).select(2, 0), z({4, 3})), Error);
}

}  // namespace
}  // namespace lact
