// The orthogonalisation of a matrix: what it does to singular values, on which side it works, and its derivatives.
#include "layers/fast_weights/newton_schulz.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "support/gradcheck.hpp"

namespace lact {
namespace {

// Cyclic Jacobi rotations on the smaller Gram matrix of each item: its eigenvalues are the squares.
std::vector<double> singular_values(const Tensor& x, std::int64_t item) {
  const Tensor m = x.select(0, item), wide = m.dim(0) > m.dim(1) ? m.transpose() : m;
  const auto n = std::size_t(wide.dim(0)), columns = std::size_t(wide.dim(1));
  const auto v = wide.to_doubles();
  std::vector<std::vector<double>> a(n, std::vector<double>(n));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k < columns; ++k) a[i][j] += v[i * columns + k] * v[j * columns + k];
  for (int sweep = 0; sweep < 30; ++sweep)
    for (std::size_t p = 0; p < n; ++p)
      for (std::size_t q = p + 1; q < n; ++q) {
        const double angle = 0.5 * std::atan2(2 * a[p][q], a[q][q] - a[p][p]), c = std::cos(angle), s = std::sin(angle);
        for (std::size_t k = 0; k < n; ++k) {
          const double x1 = a[k][p], x2 = a[k][q];
          a[k][p] = c * x1 - s * x2, a[k][q] = s * x1 + c * x2;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double x1 = a[p][k], x2 = a[q][k];
          a[p][k] = c * x1 - s * x2, a[q][k] = s * x1 + c * x2;
        }
      }
  std::vector<double> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(std::sqrt(std::max(a[i][i], 0.0)));
  return out;
}

struct Variant {
  const char* name;
  NewtonSchulz ns;
  double low, high;  // where the iteration takes a singular value of at least 0.01 of the Frobenius norm
};
const std::vector<Variant> variants{{"view synthesis", NewtonSchulz::view_synthesis(5), 0.681, 1.135},
                                    {"language", NewtonSchulz::language(), 0.977, 1.032}};

Function of(const NewtonSchulz& ns) {
  return [ns](std::span<const Var> x) { return std::vector<Var>{ns(x[0])}; };
}

TEST(NewtonSchulz, IsAPolynomialOfTheSingularValues) {
  for (const Variant& v : variants)
    for (const Shape& s : {Shape{2, 5, 9}, {2, 9, 5}, {2, 6, 6}, {1, 1, 7}, {1, 7, 1}}) {
      const Tensor x = random_tensor(s, "x"), y = v.ns(x).value();
      for (std::int64_t item = 0; item < s[0]; ++item) {
        auto before = singular_values(x, item), after = singular_values(y, item);
        double frobenius = 0;
        for (double e : before) frobenius += e * e;
        for (double& e : before) {
          e /= std::sqrt(frobenius);
          for (const auto& [a, b, c] : v.ns.steps) e = a * e + b * e * e * e + c * e * e * e * e * e;
        }
        std::ranges::sort(before);
        std::ranges::sort(after);
        for (std::size_t i = 0; i < before.size(); ++i)
          // sqrt of an eigenvalue with an error of eps; the norm's 1e-7 is amplified by up to 3.44^5 = 485
          EXPECT_NEAR(after[i], std::abs(before[i]), 5e-5) << v.name << " " << text_of(s);
      }
    }
}

TEST(NewtonSchulz, SingularValuesEndNearOne) {
  for (const Variant& v : variants) {
    const Tensor x = random_tensor({4, 8, 24}, "x"), y = v.ns(x).value();
    for (std::int64_t item = 0; item < 4; ++item) {
      for (double e : singular_values(x, item))
        ASSERT_GT(e, 0.01 * std::sqrt(8 * 24.0)) << "the bounds below do not hold for this matrix";
      for (double e : singular_values(y, item)) EXPECT_TRUE(e > v.low && e < v.high) << v.name << ": " << e;
    }
  }
}

TEST(NewtonSchulz, TallIsTheTransposeOfWide) {
  for (const Variant& v : variants) {
    const Tensor x = random_tensor({3, 5, 11}, "x");
    EXPECT_LE(difference(v.ns(x.transpose()).value(), v.ns(x).value().transpose()), 1e-13)
        << v.name;  // 5 steps of a few eps
  }
}

TEST(NewtonSchulz, ItemsOfABatchDoNotMeet) {
  const Tensor x = random_tensor({3, 5, 7}, "x");
  const Tensor y = NewtonSchulz::view_synthesis(5)(x).value();
  for (std::int64_t i = 0; i < 3; ++i)
    EXPECT_TRUE(same_bits(NewtonSchulz::view_synthesis(5)(x.cut(0, {i, i + 1})).value(), y.cut(0, {i, i + 1})));
}

TEST(NewtonSchulz, SizeDoesNotMatterButTheEpsilonDoes) {
  const Tensor x = random_tensor({1, 5, 7}, "x");
  const Var large = NewtonSchulz::view_synthesis(5)(scale(x, 1e3));
  // 1e-7 beside a norm of 6: a relative change of 2e-8, amplified by up to 485
  EXPECT_LE(difference(NewtonSchulz::view_synthesis(5)(x).value(), large.value()), 1e-5);
  const Tensor tiny = NewtonSchulz::view_synthesis(0)(scale(x, 1e-7)).value();
  const double norm = 1e-7 * std::sqrt(inner(x, x));
  EXPECT_NEAR(tiny.to_doubles()[3], 1e-7 * x.to_doubles()[3] / (norm + 1e-7), 1e-13);
}

TEST(NewtonSchulz, NoStepsDivideByTheNorm) {
  const Tensor y = NewtonSchulz::view_synthesis(0)(random_tensor({2, 5, 7}, "x")).value();
  for (std::int64_t i = 0; i < 2; ++i) EXPECT_NEAR(inner(y.select(0, i), y.select(0, i)), 1, 1e-6);
}

TEST(NewtonSchulz, ZeroStaysZeroWithAFiniteGradient) {
  for (const Variant& v : variants)
    for (DType t : {DType::f32, DType::f64}) {
      Tape tape;
      const Var x = tape.leaf(Tensor::zeros(tested(), {2, 5, 7}, t));
      const Var y = v.ns(x);
      EXPECT_EQ(largest(y.value().to_doubles()), 0);
      for (bool differentiable : {false, true})
        for (double g : tape.grad(y, {&x, 1}, ones_like(y), differentiable)[0].value().to_doubles())
          EXPECT_TRUE(std::isfinite(g));
    }
}

TEST(NewtonSchulz, DerivativesMatchDifferences) {
  for (const Shape& s : {Shape{2, 3, 4}, {1, 4, 3}, {1, 3, 3}})
    for (const NewtonSchulz& ns :
         {NewtonSchulz::view_synthesis(0), NewtonSchulz::view_synthesis(3), NewtonSchulz::language()}) {
      // of size 30, so that the iteration's steep slopes are small beside the step of the differences
      const Tensors x{random_tensor(s, "x", DType::f64, 30)};
      const Tensors u = random_cotangents(of(ns), x, "u");
      expect_gradient(of(ns), x, u, sentence("{} steps of {}", ns.steps.size(), text_of(s)));
      expect_second_gradient(of(ns), x, u, sentence("{} steps of {}", ns.steps.size(), text_of(s)));
    }
}

TEST(NewtonSchulz, EmptyBatches) {
  EXPECT_EQ(NewtonSchulz::language()(Tensor::zeros(tested(), {0, 5, 7})).shape(), (Shape{0, 5, 7}));
}

}  // namespace
}  // namespace lact
