// Small networks as one op each: what one product hands to the next passes through memory once, weights are rounded to
// bf16 once, and the gradients of an input are added up by the products that make them.
#include <algorithm>

#include "autograd/broadcast.hpp"
#include "autograd/operands.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/gated_products.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"

namespace lact {
namespace {

bool any_low(std::initializer_list<const Var*> xs) {
  return std::ranges::any_of(xs, [](const Var* x) { return x->value().dtype() == DType::bf16; });
}

// The sum of products in the type of x, which it is the gradient of; nothing where nobody asks for it.
struct Factors {
  Tensor a, b;
};
Var gradient_of(const Var& x, std::initializer_list<Factors> products) {
  if (x.tape() == nullptr) return {};
  const Tensor y = like(x.value());
  double beta = 0;
  for (const auto& [a, b] : products) kernels::matmul(y, a, b, 1, beta), beta = 1;
  return y;
}

}  // namespace

Var glu_network(const Var& x, const Var& w0, const Var& w1, const Var& w2) {
  check(x.shape().size() == 3 && w0.shape().size() == 3 && w1.shape().size() == 3,
        "a gated network of weights {}, {} was given {}", text_of(w0.shape()), text_of(w1.shape()), text_of(x.shape()));
  const bool low = any_low({&x, &w0, &w1, &w2});
  const Tensor xv = operand(x.value(), low), v0 = operand(w0.value(), low), v1 = operand(w1.value(), low),
               v2 = operand(w2.value(), low);
  const Tensor g = like(xv, {x.dim(0), x.dim(1), w0.dim(2)}), h = like(g), m = like(g),
               y = like(xv, {x.dim(0), x.dim(1), w1.dim(2)});
  kernels::swiglu_products(m, g, h, xv, v0, v2);
  kernels::matmul(y, m, v1);
  auto fast = [=](const Var& dy) {
    const Tensor dyv = operand(dy.value(), low), dg = like(g), dh = like(g);
    kernels::swiglu_grad_product(dg, dh, dyv, v1, g, h);
    const Tensor turned = xv.transpose();
    return Grads{gradient_of(x, {{dg, v0.transpose()}, {dh, v2.transpose()}}), gradient_of(w0, {{turned, dg}}),
                 gradient_of(w1, {{m.transpose(), dyv}}), gradient_of(w2, {{turned, dh}})};
  };
  return fused("glu_network", y, {x, w0, w1, w2}, fast, [t = xv.dtype()](std::span<const Var> in) {
    auto times = [t](const Var& a, const Var& b) { return matmul(a, b, Orient::nn, t); };
    return times(swiglu(times(in[0], in[1]), times(in[0], in[3])), in[2]);
  });
}

namespace {

// What a rated_glu_grad leaves for its pullback.
struct RatedGlu {
  Tensor k, v, w0, w1, w2, rate0, rate1, rate2;  // as they are multiplied
  Tensor g, h, dm;                               // k w0, k w2, v w1^T
  Tensor m, dg, dh;                              // rated
};

Grads pulled_back(const RatedGlu& s, std::span<const Var> in, std::span<const Var> bars) {
  auto of = [&](std::size_t i, const Tensor& w) {
    return bars[i] ? operand(bars[i].value(), s.k.dtype() == DType::bf16)
                   : Tensor::zeros(w.device(), w.shape(), w.dtype());
  };
  const Tensor bar0 = of(0, s.w0), bar1 = of(1, s.w1), bar2 = of(2, s.w2);
  const Tensor m_bar = like(s.g), dg_bar = like(s.g), dh_bar = like(s.g), g_bar = like(s.g), h_bar = like(s.g),
               dm_bar = like(s.g), rate0_bar = like(s.rate0), rate1_bar = like(s.rate1), rate2_bar = like(s.rate2);
  kernels::matmul(m_bar, s.v, bar1.transpose());
  kernels::matmul(dg_bar, s.k, bar0);
  kernels::matmul(dh_bar, s.k, bar2);
  kernels::rated_gates_grad({.g_bar = g_bar,
                             .h_bar = h_bar,
                             .dm_bar = dm_bar,
                             .rate_bars = {rate0_bar, rate1_bar, rate2_bar},
                             .g = s.g,
                             .h = s.h,
                             .dm = s.dm,
                             .rates = {s.rate0, s.rate1, s.rate2},
                             .m_bar = m_bar,
                             .dg_bar = dg_bar,
                             .dh_bar = dh_bar});
  const Tensor keys = s.k.transpose();
  return {
      gradient_of(
          in[0],
          {{s.dg, bar0.transpose()}, {s.dh, bar2.transpose()}, {g_bar, s.w0.transpose()}, {h_bar, s.w2.transpose()}}),
      gradient_of(in[1], {{s.m, bar1}, {dm_bar, s.w1}}),
      gradient_of(in[2], {{keys, g_bar}}),
      gradient_of(in[3], {{dm_bar.transpose(), s.v}}),
      gradient_of(in[4], {{keys, h_bar}}),
      rate0_bar,
      rate1_bar,
      rate2_bar};
}

}  // namespace

std::vector<Var> rated_glu_grad(const Var& k, const Var& v, const Var& w0, const Var& w1, const Var& w2,
                                const Var& rate0, const Var& rate1, const Var& rate2) {
  check(k.shape().size() == 3 && w0.shape().size() == 3, "a gated network of weights {} was given {}",
        text_of(w0.shape()), text_of(k.shape()));
  const bool low = any_low({&k, &v, &w0, &w1, &w2});
  RatedGlu s{.k = operand(k.value(), low),
             .v = operand(v.value(), low),
             .w0 = operand(w0.value(), low),
             .w1 = operand(w1.value(), low),
             .w2 = operand(w2.value(), low),
             .rate0 = dense(rate0.value()),
             .rate1 = dense(rate1.value()),
             .rate2 = dense(rate2.value())};
  for (Tensor* t : {&s.g, &s.h, &s.dm, &s.m, &s.dg, &s.dh}) *t = like(s.k, {k.dim(0), k.dim(1), w0.dim(2)});
  kernels::matmul(s.g, s.k, s.w0);
  kernels::matmul(s.h, s.k, s.w2);
  kernels::rated_gates_product({.m = s.m,
                                .dg = s.dg,
                                .dh = s.dh,
                                .dm = s.dm,
                                .v = s.v,
                                .w1 = s.w1,
                                .g = s.g,
                                .h = s.h,
                                .rates = {s.rate0, s.rate1, s.rate2}});
  const DType type = s.k.dtype(), sums = low ? DType::f32 : type;
  auto over_tokens = [sums](const Tensor& a, const Tensor& b) {
    const Tensor y = Tensor::empty(a.device(), {a.dim(0), a.dim(2), b.dim(2)}, sums);
    kernels::matmul(y, a.transpose(), b);
    return y;
  };
  const std::vector<Tensor> found{over_tokens(s.k, s.dg), over_tokens(s.m, s.v), over_tokens(s.k, s.dh)};
  const std::vector<Var> in{k, v, w0, w1, w2, rate0, rate1, rate2};
  auto fast = [s, in](std::span<const Var> bars) { return pulled_back(s, in, bars); };
  auto slow = [type, sums](std::span<const Var> x) {
    auto times = [type](const Var& a, const Var& b, Orient o) { return matmul(a, b, o, type); };
    const std::vector<Var> rated = rated_gates(times(x[0], x[2], Orient::nn), times(x[0], x[4], Orient::nn),
                                               times(x[1], x[3], Orient::nt), x[5], x[6], x[7]);
    return std::vector<Var>{matmul(x[0], rated[1], Orient::tn, sums), matmul(rated[0], x[1], Orient::tn, sums),
                            matmul(x[0], rated[2], Orient::tn, sums)};
  };
  return fused_many("rated_glu_grad", found, in, fast, slow);
}

Var gelu_network(const Var& x, const Var& w_in, const Var& w_out) {
  check(x.shape().back() == w_in.dim(1), "a network of {} inputs was given {}", w_in.dim(1), x.shape().back());
  if (x.shape().size() != 2) {
    Shape s = x.shape();
    const Var flat = view(x, {x.value().count() / std::max<std::int64_t>(s.back(), 1), s.back()});
    s.back() = w_out.dim(0);
    return view(gelu_network(flat, w_in, w_out), s);
  }
  const bool low = any_low({&x, &w_in, &w_out});
  const Tensor xv = operand(x.value(), low), v_in = operand(w_in.value(), low), v_out = operand(w_out.value(), low);
  const Tensor u = like(xv, {x.dim(0), w_in.dim(0)}), m = like(u), y = like(xv, {x.dim(0), w_out.dim(0)});
  kernels::gelu_product(m, u, xv, v_in);
  kernels::matmul(y, m, v_out.transpose());
  auto fast = [=](const Var& dy) {
    const Tensor dyv = operand(dy.value(), low), du = like(u);
    kernels::gelu_grad_product(du, dyv, v_out, u);
    return Grads{gradient_of(x, {{du, v_in}}), gradient_of(w_in, {{du.transpose(), xv}}),
                 gradient_of(w_out, {{dyv.transpose(), m}})};
  };
  return fused("gelu_network", y, {x, w_in, w_out}, fast,
               [](std::span<const Var> in) { return linear(gelu(linear(in[0], in[1])), in[2]); });
}

}  // namespace lact
