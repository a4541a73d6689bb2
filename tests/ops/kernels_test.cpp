// Element-wise kernels, sums, norms, rows of scores and the optimizer: f32 judged by f64.
#include <algorithm>

#include "base/check.hpp"
#include "kernels/table.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

using kernels::Binary;
using kernels::Unary;

const std::int64_t lengths[] = {0, 1, 7, 16, 17, 33, 100, 1025};
const Unary unaries[] = {Unary::copy,    Unary::scale, Unary::shift,    Unary::square, Unary::sqrt,
                         Unary::inverse, Unary::exp,   Unary::log,      Unary::tanh,   Unary::erf,
                         Unary::sigmoid, Unary::silu,  Unary::softplus, Unary::gelu};
const Binary binaries[] = {Binary::add, Binary::subtract, Binary::multiply, Binary::silu_grad, Binary::gelu_grad};

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

TEST(Pointwise, GateAndItsAdjoint) {
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

TEST(Pointwise, AResultMayStandWhereAnInputStood) {
  for (std::int64_t n : {1, 37, 1000}) {
    const Pair x = Pair::random({3, n}, "x"), y = Pair::random({3, n}, "y"), z = Pair::random({3, n}, "z");
    for (auto t : {&Pair::f32, &Pair::f64}) {
      const Tensor du = like(x.*t), dg = like(du), dh = like(du), place = like(du), gate_place = like(du),
                   other = like(du);
      for (const Tensor& p : {place, gate_place}) kernels::unary(kernels::Unary::copy, p, z.*t);
      kernels::binary(kernels::Binary::gelu_grad, du, x.*t, z.*t);
      kernels::binary(kernels::Binary::gelu_grad, place, x.*t, place);
      kernels::swiglu_grad(dg, dh, x.*t, y.*t, z.*t);
      kernels::swiglu_grad(gate_place, other, x.*t, y.*t, gate_place);
      EXPECT_TRUE(same_bits(place, du) && same_bits(gate_place, dg) && same_bits(other, dh)) << n;
    }
  }
}

TEST(Pointwise, RatedGatesAreGatesTimesTheirRates) {
  for (std::int64_t n : {1, 16, 37, 64, 1000}) {
    const Shape s{2, 3, n}, per_row{2, 3, 1};
    const Pair g = Pair::random(s, "g", 2), h = Pair::random(s, "h"), dm = Pair::random(s, "dm"),
               r0 = Pair::random(per_row, "r0"), r1 = Pair::random(per_row, "r1"), r2 = Pair::random(per_row, "r2");
    Pair m = Pair::result(s), dg = Pair::result(s), dh = Pair::result(s);
    for (auto t : {&Pair::f32, &Pair::f64})
      kernels::rated_gates(m.*t, dg.*t, dh.*t, g.*t, h.*t, dm.*t, r0.*t, r1.*t, r2.*t);
    for (const Pair* p : {&m, &dg, &dh}) expect_agrees(*p, 16, "rated_gates");
    Tensor plain = like(g.f64), slope_g = like(g.f64), slope_h = like(g.f64), want = like(g.f64);
    kernels::swiglu(plain, g.f64, h.f64);
    kernels::swiglu_grad(slope_g, slope_h, g.f64, h.f64, dm.f64);
    for (auto [got, x, rate] : {std::tuple{m, plain, r1}, {dg, slope_g, r0}, {dh, slope_h, r2}}) {
      kernels::binary(Binary::multiply, want, x, rate.f64.expand(s));
      EXPECT_LT(difference(got.f64, want), 1e-14) << n;
    }
  }
}

TEST(Pointwise, RatedGatesHaveTheirAdjoint) {
  const Shape s{5, 37}, per_row{5, 1};
  std::vector<Pair> in;  // g, h, dm, rates
  for (const char* name : {"g", "h", "dm"}) in.push_back(Pair::random(s, name));
  for (const char* name : {"r0", "r1", "r2"}) in.push_back(Pair::random(per_row, name));
  const Pair a = Pair::random(s, "a"), b = Pair::random(s, "b"), c = Pair::random(s, "c");
  std::vector<Pair> bars;
  for (const Pair& x : in) bars.push_back(Pair::result(x.f64.shape()));
  for (auto t : {&Pair::f32, &Pair::f64})
    kernels::rated_gates_grad(bars[0].*t, bars[1].*t, bars[2].*t, bars[3].*t, bars[4].*t, bars[5].*t, in[0].*t,
                              in[1].*t, in[2].*t, in[3].*t, in[4].*t, in[5].*t, a.*t, b.*t, c.*t);
  for (std::size_t i = 0; i < in.size(); ++i) {
    expect_agrees(bars[i], i < 3 ? 16 : 64, "rated_gates_grad");
    auto along = [&](const Tensor& x) {
      std::vector<Tensor> v;
      for (const Pair& p : in) v.push_back(p.f64);
      v[i] = x;
      const Tensor m = like(v[0]), dg = like(v[0]), dh = like(v[0]);
      kernels::rated_gates(m, dg, dh, v[0], v[1], v[2], v[3], v[4], v[5]);
      return inner(m, a.f64) + inner(dg, b.f64) + inner(dh, c.f64);
    };
    expect_slope(along, in[i].f64, bars[i].f64, "input " + std::to_string(i));
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

TEST(Pointwise, SlopesOfSiluAndGelu) {
  const Tensor x = random_tensor({41}, "x", DType::f64, 2), dy = random_tensor({41}, "dy");
  for (auto [f, grad] : {std::pair{Unary::silu, Binary::silu_grad}, std::pair{Unary::gelu, Binary::gelu_grad}}) {
    Tensor dx = like(x);
    kernels::binary(grad, dx, x, dy);
    expect_slope([&, f = f](const Tensor& t) { return inner(on_unary(f, t), dy); }, x, dx, "activation");
  }
}

TEST(Sums, ToEveryShape) {
  const Pair x = Pair::random({3, 70, 5, 17}, "x");
  const std::vector<std::vector<int>> orders{{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {1, 0, 3, 2}};
  for (const auto& order : orders)
    for (int kept = 0; kept < 16; ++kept) {
      const Pair v = x.with([&](const Tensor& t) { return t.permute(order); });
      Shape s(4, 1);
      for (std::size_t d = 0; d < 4; ++d)
        if (kept >> d & 1) s[d] = v.f64.shape()[d];
      const Pair y = Pair::result(s);
      for (auto t : {&Pair::f32, &Pair::f64}) kernels::sum_to(y.*t, v.*t);
      std::vector<double> want(std::size_t(count_of(s)), 0.0);
      const auto numbers = v.f64.to_doubles();
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        std::size_t rest = i, at = 0, step = 1;
        for (std::size_t d = 4; d-- > 0;) {
          const auto n = std::size_t(v.f64.shape()[d]);
          if (s[d] != 1) at += rest % n * step;
          step *= std::size_t(s[d]);
          rest /= n;
        }
        want[at] += numbers[i];
      }
      const double terms = double(x.f64.count()) / double(count_of(s));
      EXPECT_LE(difference(y.f64, Tensor::of(tested(), s, std::span<const double>(want), DType::f64)),
                1e-14 * std::sqrt(terms));
      EXPECT_LE(difference(y.f32, y.f64),
                eps32 * std::sqrt(terms) * std::sqrt(terms) / largest(y.f64.to_doubles()) + 4 * eps32);
    }
  const Pair empty = Pair::result({1, 4});
  kernels::sum_to(empty.f32, Tensor::empty(tested(), {0, 4}));
  EXPECT_EQ(empty.f32.to_floats(), std::vector<float>(4, 0.f));
}

TEST(Sums, LongSumsStayAccurate) {
  const Pair x = Pair::random({100003}, "x").with(positive), rows = x.with([](const Tensor&t) {
    return t.cut(0, {0, 99999}).view({33333, 3});
  });
  const Pair all = Pair::result({1}), columns = Pair::result({1, 3});
  for (auto t : {&Pair::f32, &Pair::f64}) {
    kernels::sum_to(all.*t, x.*t);
    kernels::sum_to(columns.*t, rows.*t);
  }
  // blocks and a tree: the error grows with the length of a block and the height of the tree, not with the count
  expect_agrees(all, 40, "all");
  expect_agrees(columns, 40, "columns");
}

TEST(Sums, SquaredNormOfJoinedBlocksIsTheSumOfTheirs) {
  for (std::int64_t n : {0, 1, 4095, 4096, 4097, 8192 * 4}) {
    const Pair x = Pair::random({n}, "x");
    double want = 0;
    for (double v : x.f64.to_doubles()) want += v * v;
    for (auto t : {&Pair::f32, &Pair::f64}) {
      const Tensor y = Tensor::empty(tested(), {1}, DType::f64);
      kernels::squared_norm(y, x.*t);
      EXPECT_NEAR(y.item(), want, 1e-12 * want);
    }
  }
  const Tensor x = random_tensor({32768}, "x", DType::f32), y = Tensor::empty(tested(), {1}, DType::f64);
  auto norm = [&](std::int64_t a, std::int64_t b) {
    kernels::squared_norm(y, x.cut(0, {a, b}));
    return y.item();
  };
  EXPECT_EQ(norm(0, 32768), norm(0, 16384) + norm(16384, 32768));  // equal halves of 2^n blocks: the same tree
}

Tensor sums_of(double loss, double squared_norm) {
  return Tensor::of(tested(), {2}, std::vector<double>{loss, squared_norm}, DType::f64);
}
Tensor rate_of(double rate) { return Tensor::of(tested(), {1}, std::vector<double>{rate}, DType::f64); }
Tensor adamw_steps(DType t) {
  Tensor p = random_tensor({1001}, "p", t), m = Tensor::zeros(tested(), {1001}, t),
         v = Tensor::zeros(tested(), {1001}, t);
  const Tensor verdict = Tensor::zeros(tested(), {5}, DType::f64);
  for (std::int64_t step = 1; step <= 3; ++step) {
    kernels::judge(verdict, sums_of(0, 1), {.clip = 0.5});
    kernels::adamw(p, m, v, random_tensor({1001}, "g", t), verdict, rate_of(1e-2), {.decay = 0.05});
  }
  return p;
}
TEST(Update, AdamW) {
  expect_agrees({adamw_steps(DType::f32), adamw_steps(DType::f64)}, 8, "adamw");
  // one step by hand: m = 0.1 g, v = 0.05 g^2, both corrected to g and g^2
  Tensor p = Tensor::of(tested(), {1}, std::vector<double>{2}, DType::f64),
         m = Tensor::zeros(tested(), {1}, DType::f64), v = Tensor::zeros(tested(), {1}, DType::f64),
         g = Tensor::of(tested(), {1}, std::vector<double>{-4}, DType::f64),
         verdict = Tensor::zeros(tested(), {5}, DType::f64);
  kernels::judge(verdict, sums_of(1, 16), {.clip = 1});
  EXPECT_NEAR(verdict.to_doubles()[1], 0.25, 1e-7);
  kernels::adamw(p, m, v, g, verdict, rate_of(0.1), {.eps = 0, .decay = 0.5});
  EXPECT_NEAR(p.item(), 2 * 0.95 + 0.1, 1e-14);
}

TEST(Update, AStepThatIsLeftOutChangesNothingAndIsNotCounted) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN(), endless = std::numeric_limits<double>::infinity();
  const Tensor verdict = Tensor::zeros(tested(), {5}, DType::f64);
  const kernels::Limits limits{.clip = 1, .skip_norm = 4};
  Tensor p = random_tensor({37}, "p", DType::f32), m = random_tensor({37}, "m", DType::f32),
         v = Tensor::zeros(tested(), {37});
  auto judged = [&](double loss, double squares, const kernels::Limits& l) {
    kernels::judge(verdict, sums_of(loss, squares), l);
    return kernels::LeftOut(int(verdict.to_doubles()[4]));
  };
  using kernels::LeftOut;
  EXPECT_EQ(judged(1, 16, limits), LeftOut::no) << "a norm of 4 is not above 4";
  const auto p0 = p.to_doubles(), m0 = m.to_doubles();
  const std::tuple<double, double, LeftOut> cases[]{{none, 1, LeftOut::loss_not_finite},
                                                    {-endless, none, LeftOut::loss_not_finite},
                                                    {1, none, LeftOut::norm_not_finite},
                                                    {1, endless, LeftOut::norm_not_finite},
                                                    {1, 16.1, LeftOut::large_norm}};
  for (const auto& [loss, squares, why] : cases) {
    EXPECT_EQ(judged(loss, squares, limits), why);
    kernels::adamw(p, m, v, random_tensor({37}, "g", DType::f32), verdict, rate_of(1), {});
    EXPECT_EQ(p.to_doubles(), p0);
    EXPECT_EQ(m.to_doubles(), m0);
    EXPECT_EQ(verdict.to_doubles()[0], 1) << "one step was made";
  }
  EXPECT_EQ(judged(1, 1e12, {}), LeftOut::no) << "there are no limits";
  EXPECT_EQ(verdict.to_doubles()[1], 1);
  EXPECT_EQ(verdict.to_doubles()[0], 2);
}

TEST(Kernels, ThreadsChangeNoBit) {
  const Tensor x = random_tensor({300, 1037}, "x", DType::f32), y = random_tensor({300, 1037}, "y", DType::f32);
  auto empty = [](const Shape& s, DType t = DType::f32) { return Tensor::empty(tested(), s, t); };
  expect_thread_independent([&] { return on_unary(Unary::gelu, x); }, "gelu");
  expect_thread_independent([&] { return on_unary(Unary::exp, x.transpose()); }, "exp of a transposed view");
  for (const Shape& s : {Shape{1, 1037}, Shape{300, 1}, Shape{1, 1}})
    expect_thread_independent(
        [&] {
          Tensor r = empty(s);
          kernels::sum_to(r, x);
          return r;
        },
        "sum_to " + text_of(s));
  expect_thread_independent(
      [&] {
        Tensor r = empty({1}, DType::f64);
        kernels::squared_norm(r, x);
        return r;
      },
      "squared_norm");
  expect_thread_independent(
      [&] {
        Tensor dx = empty({300, 1037}), dw = empty({1037}), r = empty({300}), n = empty({300, 1037});
        kernels::rms_norm(n, r, x, {}, 1e-6);
        kernels::rms_norm_grad(dx, dw, y, x, {}, r);
        return dw;
      },
      "rms_norm_grad");
  expect_thread_independent([&] { return adamw_steps(DType::f32); }, "adamw");
}

TEST(Kernels, WrongUseIsOneSentence) {
  const Tensor x = Tensor::zeros(tested(), {2, 3}), y = Tensor::zeros(tested(), {3, 2}),
               whole = Tensor::zeros(tested(), {2, 3}, DType::i32);
  EXPECT_THROW(kernels::unary(Unary::exp, y, x), Error);
  EXPECT_THROW(kernels::unary(Unary::exp, y.transpose(), x), Error);
  EXPECT_THROW(kernels::unary(Unary::exp, whole, whole), Error);
  EXPECT_THROW(kernels::unary(Unary::exp, {}, x), Error);
  EXPECT_THROW(kernels::binary(Binary::add, x, x, {}), Error);
  EXPECT_THROW(kernels::sum_to(Tensor::zeros(tested(), {2, 2}), x), Error);
  EXPECT_THROW(kernels::squared_norm(Tensor::zeros(tested(), {1}), x), Error);
}

}  // namespace
}  // namespace lact
