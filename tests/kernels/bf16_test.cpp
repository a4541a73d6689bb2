// Kernels whose numbers are stored in bf16 and computed in f32, on a GPU: judged by f64 on the same, rounded inputs.
#include "base/check.hpp"
#include "kernels/attention.hpp"
#include "kernels/convolution.hpp"
#include "kernels/cudnn.hpp"
#include "kernels/gated_products.hpp"
#include "kernels/gemm.hpp"
#include "kernels/norms.hpp"
#include "kernels/pointwise.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

constexpr double eps16 = 1.0 / 256;  // distance of 1 to the next bf16 number

Tensor as(const Tensor& x, DType t) {
  Tensor y = Tensor::empty(x.device(), x.shape(), t);
  kernels::unary(kernels::Unary::copy, y, x);
  return y;
}
struct Rounded {  // the same numbers in bf16 and in f64
  Tensor low, judge;
  static Rounded random(const Shape& s, const char* name, double scale = 1) {
    const Tensor low = as(random_tensor(s, name, DType::f32, scale), DType::bf16);
    return {low, as(low, DType::f64)};
  }
  Rounded permuted(const std::vector<int>& order) const { return {low.permute(order), judge.permute(order)}; }
};
Tensor result(const Shape& s, DType t) {
  return Tensor::of(tested(), s, std::span<const double>(std::vector<double>(std::size_t(count_of(s)), std::nan(""))),
                    t);
}

void expect_near(const Tensor& low, const Tensor& judge, double units, const std::string& what) {
  EXPECT_LE(difference(low, judge), units * eps16) << what;
}

TEST(Bf16, AMatrixAndItsTranspose) {
  for (std::int64_t n : {1, 33, 64}) {
    const Rounded x = Rounded::random({2, n, n}, "x");
    const Tensor y = result({2, n, n}, DType::bf16), judge = result({2, n, n}, DType::f64);
    kernels::add_transposed(y, x.low);
    kernels::add_transposed(judge, x.judge);
    expect_near(y, judge, 1, sentence("{} x {}", n, n));
  }
}

TEST(Bf16, CausalConvolutionBesideF32Weights) {
  const Rounded x = Rounded::random({2, 37, 5}, "x"), dy = Rounded::random({2, 37, 5}, "dy");
  const Tensor w = random_tensor({5, 4}, "w", DType::f32), bias = random_tensor({5}, "bias", DType::f32);
  const Tensor y = result({2, 37, 5}, DType::bf16), dx = like(y), dw = like(w), dbias = like(bias);
  const Tensor y64 = result({2, 37, 5}, DType::f64), dx64 = like(y64), w64 = as(w, DType::f64), dw64 = like(w64),
               bias64 = as(bias, DType::f64), dbias64 = like(bias64);
  kernels::causal_convolution(y, x.low, w, bias);
  kernels::causal_convolution(y64, x.judge, w64, bias64);
  kernels::causal_convolution_grad({.dx = dx, .dw = dw, .dbias = dbias, .dy = dy.low, .x = x.low, .w = w});
  kernels::causal_convolution_grad({.dx = dx64, .dw = dw64, .dbias = dbias64, .dy = dy.judge, .x = x.judge, .w = w64});
  expect_near(y, y64, 1, "y");
  expect_near(dx, dx64, 1, "dx");
  EXPECT_LE(difference(dw, dw64), 74 * eps32) << "sums of f32 over 74 tokens";
  EXPECT_LE(difference(dbias, dbias64), 74 * eps32);
}

TEST(Bf16, ElementWise) {
  for (std::int64_t n : {1, 33, 256, 1000}) {
    const Rounded x = Rounded::random({3, n}, "x"), y = Rounded::random({3, n}, "y"), z = Rounded::random({3, n}, "z");
    for (auto f : {kernels::Unary::silu, kernels::Unary::gelu, kernels::Unary::sigmoid, kernels::Unary::scale}) {
      const Tensor a = result({3, n}, DType::bf16), b = result({3, n}, DType::f64);
      kernels::unary(f, a, x.low, 0.75);
      kernels::unary(f, b, x.judge, 0.75);
      expect_near(a, b, 1, sentence("unary {} of {}", int(f), n));
    }
    for (auto f : {kernels::Binary::add, kernels::Binary::multiply, kernels::Binary::gelu_grad}) {
      const Tensor a = result({3, n}, DType::bf16), b = result({3, n}, DType::f64);
      kernels::binary(f, a, x.low, y.low);
      kernels::binary(f, b, x.judge, y.judge);
      expect_near(a, b, 1, sentence("binary {} of {}", int(f), n));
    }
    const Tensor rate = random_tensor({3, 1}, "rate", DType::f32), judge = as(rate, DType::f64);
    const Tensor a = result({3, n}, DType::bf16), b = result({3, n}, DType::f64);
    kernels::binary(kernels::Binary::multiply, a, x.low, rate.expand({3, n}));
    kernels::binary(kernels::Binary::multiply, b, x.judge, judge.expand({3, n}));
    expect_near(a, b, 1, sentence("rates of {}", n));
    Rounded dg{result({3, n}, DType::bf16), result({3, n}, DType::f64)}, dh{like(dg.low), like(dg.judge)};
    kernels::swiglu_grad(dg.low, dh.low, x.low, y.low, z.low);
    kernels::swiglu_grad(dg.judge, dh.judge, x.judge, y.judge, z.judge);
    expect_near(dg.low, dg.judge, 1, "dg");
    expect_near(dh.low, dh.judge, 1, "dh");
    Rounded m{like(dg.low), like(dg.judge)};
    kernels::rated_gates({m.low, dg.low, dh.low, x.low, y.low, z.low, {rate, rate, rate}});
    kernels::rated_gates({m.judge, dg.judge, dh.judge, x.judge, y.judge, z.judge, {judge, judge, judge}});
    expect_near(m.low, m.judge, 1, "rated gate");
    expect_near(dg.low, dg.judge, 1, "rated dg");
    expect_near(dh.low, dh.judge, 1, "rated dh");
    Rounded db{like(dg.low), like(dg.judge)}, r0{like(rate), like(judge)}, r1{like(rate), like(judge)},
        r2{like(rate), like(judge)};
    for (auto of : {&Rounded::low, &Rounded::judge}) {
      const Tensor& rates = of == &Rounded::low ? rate : judge;
      kernels::rated_gates_grad({.g_bar = dg.*of,
                                 .h_bar = dh.*of,
                                 .dm_bar = db.*of,
                                 .rate_bars = {r0.*of, r1.*of, r2.*of},
                                 .g = x.*of,
                                 .h = y.*of,
                                 .dm = z.*of,
                                 .rates = {rates, rates, rates},
                                 .m_bar = z.*of,
                                 .dg_bar = x.*of,
                                 .dh_bar = y.*of});
    }
    expect_near(dg.low, dg.judge, 1, "g_bar");
    expect_near(dh.low, dh.judge, 1, "h_bar");
    expect_near(db.low, db.judge, 1, "dm_bar");
    for (const Rounded* r : {&r0, &r1, &r2}) EXPECT_LT(difference(r->low, r->judge), 1e-5 * std::sqrt(double(n)));
  }
}

TEST(Bf16, RowNorms) {
  for (std::int64_t n : {7, 64, 100, 768, 5000})
    for (bool weighted : {true, false}) {
      const Rounded x = Rounded::random({2, 9, 3, n}, "x").permuted({0, 2, 1, 3}),
                    dy = Rounded::random({2, 3, 9, n}, "dy");
      const Tensor w = weighted ? random_tensor({n}, "w", DType::f32) : Tensor{},
                   w64 = weighted ? as(w, DType::f64) : Tensor{};
      auto run = [&](const Tensor& xs, const Tensor& dys, const Tensor& ws, DType stats, DType t) {
        const Tensor y = result({2, 3, 9, n}, t), mean = result({2, 3, 9}, stats), r = result({2, 3, 9}, stats),
                     dx = result({2, 3, 9, n}, t), dw = weighted ? result({n}, stats) : Tensor{};
        kernels::layer_norm(y, mean, r, xs, ws, 1e-5);
        kernels::layer_norm_grad({dx, dw, dys, xs, ws, mean, r, {}});
        const Tensor sum = like(y), unit = like(y), silu = like(y), dsilu = like(y);
        kernels::add_layer_norm({sum, unit, mean, r, xs, dys, ws, 1e-5});
        kernels::silu_rows(silu, r, xs, 1e-5);
        kernels::silu_rows_grad(dsilu, dys, xs, r, 1e-5);
        return std::vector<Tensor>{y, dx, dw, sum, unit, silu, dsilu};
      };
      const auto a = run(x.low, dy.low, w, DType::f32, DType::bf16),
                 b = run(x.judge, dy.judge, w64, DType::f64, DType::f64);
      expect_near(a[0], b[0], 1, sentence("layer_norm of {}", n));
      expect_near(a[1], b[1], 1, sentence("layer_norm_grad of {}", n));
      expect_near(a[3], b[3], 1, sentence("sum of {}", n));
      expect_near(a[4], b[4], 2, sentence("norm of a sum, which is stored in bf16, of {}", n));
      expect_near(a[5], b[5], 1, sentence("silu over its length of {}", n));
      expect_near(a[6], b[6], 1, sentence("its gradient of {}", n));
      if (weighted) {
        EXPECT_LE(difference(a[2], b[2]), 1e-5) << "weights are f32";
      }
    }
}

// Through cuDNN where it is there, and through this program's own kernels.
class Bf16Ways : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { kernels::use_cudnn(GetParam() ? kernels::CudnnUse::all : kernels::CudnnUse::none); }
  void TearDown() override { kernels::use_cudnn(kernels::CudnnUse::all); }
};
INSTANTIATE_TEST_SUITE_P(Cudnn, Bf16Ways, ::testing::Bool(), [](const auto& way) { return way.param ? "On" : "Off"; });

TEST_P(Bf16Ways, ProductsJoinedWithGates) {
  struct Sizes {
    std::int64_t items, tokens, width, hidden;
  };
  for (const Sizes& s : {Sizes{1, 1, 8, 8}, {2, 33, 40, 24}, {3, 64, 64, 128}, {2, 7, 5, 3}, {1, 130, 16, 72}}) {
    const Shape hidden{s.items, s.tokens, s.hidden};
    const double small = 1 / std::sqrt(double(s.width));
    const std::string of = sentence(" of {} x {} x {} x {}", s.items, s.tokens, s.width, s.hidden);
    // heads beside each other, as a projection leaves them
    const Rounded x = Rounded::random({s.tokens, s.items, s.width}, "x").permuted({1, 0, 2}),
                  w0 = Rounded::random({s.items, s.width, s.hidden}, "w0", small),
                  w1 = Rounded::random({s.items, s.hidden, s.width}, "w1", small),
                  w2 = Rounded::random({s.items, s.hidden, s.width}, "w2", small).permuted({0, 2, 1});
    const Tensor rates[] = {random_tensor({s.items, s.tokens}, "r0", DType::f32),
                            random_tensor({s.items, s.tokens}, "r1", DType::f32),
                            random_tensor({s.items, s.tokens}, "r2", DType::f32)};
    auto run = [&](auto which, DType t) {
      std::vector<Tensor> y;
      for (int i = 0; i < 9; ++i) y.push_back(result(hidden, t));
      auto rate = [&](int i) { return t == DType::f64 ? as(rates[i], t) : rates[i]; };
      const Rounded g = Rounded::random(hidden, "g"), h = Rounded::random(hidden, "h");
      kernels::swiglu_products(y[0], y[1], y[2], x.*which, w0.*which, w2.*which);
      kernels::swiglu_grad_product(y[3], y[4], x.*which, w1.*which, g.*which, h.*which);
      kernels::rated_gates_product(
          {y[5], y[6], y[7], y[8], x.*which, w1.*which, g.*which, h.*which, {rate(0), rate(1), rate(2)}});
      return y;
    };
    const auto a = run(&Rounded::low, DType::bf16), b = run(&Rounded::judge, DType::f64);
    const char* names[] = {"m", "g", "h", "dg", "dh", "rated m", "rated dg", "rated dh", "dm"};
    // a product may be rounded before it is gated, and the result once more
    for (std::size_t i = 0; i < a.size(); ++i) expect_near(a[i], b[i], 2, names[i] + of);
  }
}

TEST_P(Bf16Ways, ProductsJoinedWithGelu) {
  for (auto [rows, in, out] : {std::tuple{1, 8, 8}, {33, 40, 24}, {200, 64, 256}, {7, 5, 3}}) {
    const double small = 1 / std::sqrt(double(in));
    const Rounded x = Rounded::random({rows, in}, "x"), w = Rounded::random({out, in}, "w", small),
                  back = Rounded::random({in, out}, "back", small), before = Rounded::random({rows, out}, "u");
    auto run = [&, r = rows, o = out](auto which, DType t) {
      std::vector<Tensor> y{result({r, o}, t), result({r, o}, t), result({r, o}, t)};
      kernels::gelu_product(y[0], y[1], x.*which, w.*which);
      kernels::gelu_grad_product(y[2], x.*which, back.*which, before.*which);
      return y;
    };
    const auto a = run(&Rounded::low, DType::bf16), b = run(&Rounded::judge, DType::f64);
    for (std::size_t i = 0; i < a.size(); ++i)
      expect_near(a[i], b[i], 2, sentence("{} of {} x {} x {}", i, rows, in, out));
  }
}

TEST_P(Bf16Ways, AttentionOnTensorCoresAndOff) {
  for (std::int64_t d : {64, 40})
    for (auto [queries, keys] : {std::pair{256, 256}, {1, 1}, {100, 333}, {200, 70}})
      for (const kernels::Mask mask : {kernels::Mask{}, kernels::Mask{true, 0}, kernels::Mask{true, 50}}) {
        // heads beside each other, as a projection leaves them
        auto heads = [&](std::int64_t rows, const char* name) {
          return Rounded::random({2, rows, 3, d}, name).permuted({0, 2, 1, 3});
        };
        const Rounded q = heads(queries, "q"), k = heads(keys, "k"), v = heads(keys, "v"),
                      dout = heads(queries, "dout");
        auto run = [&](auto which, DType t, DType stats) {
          auto empty = [&](std::int64_t rows) { return result({2, rows, 3, d}, t).permute({0, 2, 1, 3}); };
          std::vector<Tensor> r{empty(queries), empty(queries), empty(keys), empty(keys),
                                result({2, 3, queries}, stats)};
          kernels::attention(r[0], r[4], q.*which, k.*which, v.*which, 0.125, mask);
          kernels::attention_grad(
              {r[1], r[2], r[3], dout.*which, q.*which, k.*which, v.*which, r[0], r[4], 0.125, mask});
          return r;
        };
        const auto a = run(&Rounded::low, DType::bf16, DType::f32), b = run(&Rounded::judge, DType::f64, DType::f64);
        const char* names[] = {"o", "dq", "dk", "dv", "lse"};
        for (std::size_t i = 0; i < a.size(); ++i) {
          // weights and score gradients are rounded once before the second product
          if (i == 4 && mask.window > 0 && keys < queries) continue;  // queries that see nothing: -infinity in both
          if (queries == 1 && (i == 1 || i == 2)) continue;           // one key: the gradient is nothing but rounding
          expect_near(a[i], b[i], i == 4 ? 0.1 : 3,
                      sentence("{} of {} x {}, width {}, window {}", names[i], queries, keys, d, mask.window));
        }
      }
}

}  // namespace
}  // namespace lact
