// Element-wise kernels: f32 judged by f64.
#include <algorithm>

#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

using kernels::Binary;
using kernels::Unary;

const std::int64_t lengths[] = {0, 1, 7, 16, 17, 33, 100, 1025};
const Unary unaries[] = {Unary::copy,     Unary::scale, Unary::shift,     Unary::square, Unary::sqrt,    Unary::inverse,
                         Unary::exp,      Unary::log,   Unary::tanh,      Unary::erf,    Unary::sigmoid, Unary::silu,
                         Unary::softplus, Unary::gelu,  Unary::gelu_tanh, Unary::relu};
const Binary binaries[] = {Binary::add,       Binary::subtract,       Binary::multiply,       Binary::silu_grad,
                           Binary::gelu_grad, Binary::gelu_tanh_grad, Binary::gelu_tanh_bend, Binary::relu_grad};

bool wants_positive(Unary f) { return f == Unary::sqrt || f == Unary::log; }
Tensor positive(const Tensor& x) {
  auto v = x.to_doubles();
  for (double& e : v) e = std::abs(e) + 1e-3f;
  return Tensor::of(tested(), x.shape(), std::span<const double>(v), x.dtype());
}

Tensor on_unary(Unary f, const Tensor& x) {
  Tensor y = like(x, x.shape());
  kernels::unary(f, y, x, 0.75);
  return y;
}

TEST(Pointwise, UnaryAgreesWithF64OnEveryLength) {
  for (Unary f : unaries)
    for (std::int64_t n : lengths) {
      Pair x = Pair::random({n}, "x", 2);
      if (wants_positive(f)) x = x.with(positive);
      // a polynomial of a few units, times the condition of exp at |x| up to 8
      expect_agrees({on_unary(f, x.f32), on_unary(f, x.f64)}, 8, sentence("unary {} of {}", int(f), n));
    }
}

TEST(Pointwise, UnaryIsAccurateNumberByNumber) {
  // Relative error of each number, where the function has no cancellation of its own.
  struct Case {
    Unary f;
    double low, high, units;
  } cases[] = {{Unary::exp, -86, 88, 2},      {Unary::log, 1e-30, 0.5, 3}, {Unary::log, 2, 1e30, 3},
               {Unary::tanh, 1e-4, 20, 6},    {Unary::erf, 1e-4, 3.5, 6},  {Unary::sigmoid, -80, 80, 6},
               {Unary::softplus, -60, 60, 6}, {Unary::silu, 0, 60, 6}};
  for (const auto& c : cases) {
    const int n = 20001;
    std::vector<float> v;
    for (int i = 0; i < n; ++i) v.push_back(float(c.low + (c.high - c.low) * i / (n - 1)));
    const auto y = on_unary(c.f, Tensor::of(tested(), {n}, std::span<const float>(v))).to_doubles();
    const auto judge = on_unary(c.f, Tensor::of(tested(), {n}, std::span<const float>(v), DType::f64)).to_doubles();
    double worst = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      worst = std::max(worst, judge[i] == 0 ? 0 : std::abs(y[i] / judge[i] - 1));
    EXPECT_LE(worst, c.units * eps32) << "unary " << int(c.f);
  }
}

TEST(Pointwise, EdgesOfTheNumberLine) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const std::vector<float> v{-inf, -200, -0.f, 0, 88.5f, 89.5f, 200, inf, nan};
  const Tensor x = Tensor::of(tested(), {9}, std::span<const float>(v));
  for (Unary f : unaries)
    EXPECT_TRUE(std::isnan(on_unary(f, x).to_doubles().back())) << "unary " << int(f) << " swallows NaN";
  const auto e = on_unary(Unary::exp, x).to_doubles();
  EXPECT_EQ(e[0], 0);
  EXPECT_EQ(e[1], 0);
  EXPECT_EQ(e[3], 1);
  EXPECT_NEAR(e[4] / std::exp(88.5), 1, 1e-6);
  EXPECT_EQ(e[5], inf);
  EXPECT_EQ(e[7], inf);
  const auto l = on_unary(Unary::log, x).to_doubles();
  EXPECT_TRUE(std::isnan(l[0]) && std::isnan(l[1]));
  EXPECT_EQ(l[3], -inf);
  EXPECT_EQ(l[7], inf);
  const auto s = on_unary(Unary::softplus, x).to_doubles();
  EXPECT_EQ(s[0], 0);
  EXPECT_EQ(s[6], 200);
  EXPECT_EQ(s[7], inf);
  EXPECT_EQ(on_unary(Unary::inverse, x).to_doubles()[3], 0);
  EXPECT_EQ(on_unary(Unary::sigmoid, x).to_doubles()[1], 0);
  EXPECT_EQ(on_unary(Unary::tanh, x).to_doubles()[7], 1);
}

TEST(Pointwise, StridedAndRepeatedInputs) {
  const Pair x = Pair::random({5, 33, 7}, "x"), row = Pair::random({7}, "row"),
             column = Pair::random({5, 33, 1}, "column");
  auto turned = [](const Tensor& t) { return t.permute({2, 0, 1}); };
  auto flat = [](const Tensor& t) { return on_unary(Unary::copy, t); };
  const Pair y = x.with(turned).with([](const Tensor& t) { return on_unary(Unary::exp, t); });
  const Pair judge = x.with(turned).with(flat).with([](const Tensor& t) { return on_unary(Unary::exp, t); });
  EXPECT_TRUE(same_bits(y.f32, judge.f32));
  EXPECT_TRUE(same_bits(y.f64, judge.f64));
  for (Binary f : binaries) {
    Pair sum = Pair::result({5, 33, 7}), want = Pair::result({5, 33, 7});
    for (auto t : {&Pair::f32, &Pair::f64}) {
      const Tensor wide = (row.*t).expand({5, 33, 7}), tall = (column.*t).expand({5, 33, 7});
      kernels::binary(f, sum.*t, wide, tall);
      kernels::binary(f, want.*t, flat(wide), flat(tall));
    }
    EXPECT_TRUE(same_bits(sum.f32, want.f32) && same_bits(sum.f64, want.f64)) << "binary " << int(f);
    expect_agrees(sum, 8, sentence("binary {}", int(f)));
  }
}

TEST(Pointwise, CopyTakesAnyStridesAndTypes) {
  const Tensor x = random_tensor({3, 5, 40, 33}, "x", DType::f32, 50);
  const std::vector<std::vector<int>> orders{{0, 1, 2, 3}, {0, 1, 3, 2}, {3, 2, 1, 0}, {0, 2, 1, 3}, {2, 3, 0, 1}};
  for (const auto& from : orders)
    for (const auto& to : orders) {
      const Tensor source = x.permute(from);
      Shape stored(4);
      for (std::size_t i = 0; i < 4; ++i) stored[std::size_t(to[i])] = source.shape()[i];
      const Tensor y = Tensor::empty(tested(), stored).permute(to);
      kernels::unary(Unary::copy, y, source);
      EXPECT_TRUE(same_bits(y, source));
    }
  for (DType to : {DType::f32, DType::bf16, DType::f64, DType::i32, DType::u8})
    for (DType from : {DType::f32, DType::bf16, DType::f64, DType::i32, DType::u8}) {
      const Tensor source = Tensor::empty(tested(), {33, 40}, from);
      kernels::unary(Unary::copy, source, x.select(0, 0).select(0, 1).transpose());
      const Tensor y = Tensor::empty(tested(), {33, 40}, to);
      kernels::unary(Unary::copy, y, source);
      const auto a = source.to_doubles(), b = y.to_doubles();
      for (std::size_t i = 0; i < a.size(); ++i) {
        double want = a[i];
        if (to == DType::bf16) want = double(from_bf16(to_bf16(float(want))));
        if (to == DType::i32) want = std::rint(want);
        if (to == DType::u8) want = std::clamp(std::rint(want), 0.0, 255.0);
        ASSERT_EQ(b[i], want) << name_of(from) << " to " << name_of(to);
      }
    }
  Tensor filled = Tensor::zeros(tested(), {3, 4});
  kernels::unary(Unary::copy, filled.cut(1, {1, 3}), Tensor::of(tested(), {1}, std::vector<float>{2}).expand({3, 2}));
  EXPECT_EQ(filled.to_floats(), (std::vector<float>{0, 2, 2, 0, 0, 2, 2, 0, 0, 2, 2, 0}));
}

TEST(Pointwise, AResultMayStandWhereAnOperandStood) {
  for (std::int64_t n : {1, 37, 1000}) {
    const Pair x = Pair::random({3, n}, "x"), z = Pair::random({3, n}, "z");
    for (auto t : {&Pair::f32, &Pair::f64}) {
      const Tensor du = like(x.*t), place = like(du);
      kernels::unary(Unary::copy, place, z.*t);
      kernels::binary(Binary::gelu_grad, du, x.*t, z.*t);
      kernels::binary(Binary::gelu_grad, place, x.*t, place);
      EXPECT_TRUE(same_bits(place, du)) << n;
    }
  }
}

TEST(Pointwise, AMatrixAndItsTranspose) {
  for (DType t : {DType::f32, DType::f64})
    for (const Shape& s : {Shape{1, 1}, {3, 5, 5}, {2, 32, 32}, {1, 33, 33}, {2, 2, 70, 70}, {0, 4, 4}, {2, 0, 0}}) {
      const Tensor x = random_tensor(s, "x", t), y = Tensor::empty(tested(), s, t);
      rewrite(y, [](std::int64_t, double) { return std::nan(""); });
      kernels::add_transposed(y, x);
      const auto a = x.to_doubles(), b = x.transpose().to_doubles(), got = y.to_doubles();
      for (std::size_t i = 0; i < got.size(); ++i)
        ASSERT_EQ(got[i], t == DType::f32 ? double(float(a[i]) + float(b[i])) : a[i] + b[i]) << text_of(s) << " " << i;
    }
  const Tensor x = random_tensor({3, 3}, "x");
  EXPECT_THROW(kernels::add_transposed(x, x), Error);
  EXPECT_THROW(kernels::add_transposed(Tensor::zeros(tested(), {3, 4}), Tensor::zeros(tested(), {3, 4})), Error);
}

TEST(Pointwise, SlopesOfActivations) {
  const Tensor x = random_tensor({41}, "x", DType::f64, 2), dy = random_tensor({41}, "dy");
  for (auto [f, grad] :
       {std::pair{Unary::silu, Binary::silu_grad}, std::pair{Unary::gelu, Binary::gelu_grad},
        std::pair{Unary::gelu_tanh, Binary::gelu_tanh_grad}, std::pair{Unary::relu, Binary::relu_grad}}) {
    Tensor dx = like(x);
    kernels::binary(grad, dx, x, dy);
    expect_slope([&, f = f](const Tensor& t) { return inner(on_unary(f, t), dy); }, x, dx, "activation");
  }
}

TEST(Pointwise, TheBendOfGeluIsTheSlopeOfItsSlope) {
  const Tensor x = random_tensor({41}, "x", DType::f64, 2), dy = random_tensor({41}, "dy");
  Tensor bend = like(x);
  kernels::binary(Binary::gelu_tanh_bend, bend, x, dy);
  auto slope = [&](const Tensor& t) {
    Tensor y = like(t);
    kernels::binary(Binary::gelu_tanh_grad, y, t, dy);
    return y;
  };
  const Tensor ones = like(x);
  kernels::fill(ones, 1);
  expect_slope([&](const Tensor& t) { return inner(slope(t), ones); }, x, bend, "bend");
}

TEST(Pointwise, ActivationsOfLargeNumbersAreStraight) {
  const std::vector<float> v{-3e4f, -100, -12, 12, 100, 3e4f};
  const Tensor x = Tensor::of(tested(), {6}, std::span<const float>(v)), one = like(x);
  kernels::fill(one, 1);
  EXPECT_EQ(on_unary(Unary::gelu_tanh, x).to_floats(), (std::vector<float>{0, 0, 0, 12, 100, 3e4f}));
  Tensor y = like(x);
  kernels::binary(Binary::gelu_tanh_grad, y, x, one);
  EXPECT_EQ(y.to_floats(), (std::vector<float>{0, 0, 0, 1, 1, 1}));
  kernels::binary(Binary::gelu_tanh_bend, y, x, one);
  EXPECT_EQ(y.to_floats(), (std::vector<float>{0, 0, 0, 0, 0, 0}));
}

TEST(Pointwise, ThreadsChangeNoBit) {
  const Tensor x = random_tensor({300, 1037}, "x", DType::f32);
  expect_thread_independent([&] { return on_unary(Unary::gelu, x); }, "gelu");
  expect_thread_independent([&] { return on_unary(Unary::exp, x.transpose()); }, "exp of a transposed view");
}

TEST(Pointwise, WrongUseIsOneSentence) {
  const Tensor x = Tensor::zeros(tested(), {2, 3}), y = Tensor::zeros(tested(), {3, 2}),
               whole = Tensor::zeros(tested(), {2, 3}, DType::i32);
  EXPECT_THROW(kernels::unary(Unary::exp, y, x), Error);
  EXPECT_THROW(kernels::unary(Unary::exp, y.transpose(), x), Error);
  EXPECT_THROW(kernels::unary(Unary::exp, whole, whole), Error);
  EXPECT_THROW(kernels::unary(Unary::exp, Tensor{}, x), Error);
  EXPECT_THROW(kernels::binary(Binary::add, x, x, {}), Error);
}

}  // namespace
}  // namespace lact
