#include <array>
#include <cmath>
#include <numbers>

#include "autograd/broadcast.hpp"
#include "autograd/operands.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/gates.hpp"
#include "kernels/pointwise.hpp"

namespace lact {

using kernels::Binary;
using kernels::Unary;

Shape broadcast(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    auto from_end = [i](const Shape& s) { return i < s.size() ? s[s.size() - 1 - i] : 1; };
    std::int64_t x = from_end(a), y = from_end(b);
    check(x == y || x == 1 || y == 1, "shapes {} and {} do not meet", text_of(a), text_of(b));
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

Tensor dense(const Tensor& x) {
  if (x.contiguous()) return x;
  Tensor y = like(x);
  kernels::unary(Unary::copy, y, x);
  return y;
}

Tensor dense_rows(const Tensor& x) { return x.strides().back() == 1 || x.shape().back() == 1 ? x : dense(x); }

namespace {

Tensor mapped(Unary f, const Var& x, double c = 0) {
  Tensor y = like(x.value());
  kernels::unary(f, y, x.value(), c);
  return y;
}
Tensor combined(Binary f, const Var& a, const Var& b) {
  Shape s = broadcast(a.shape(), b.shape());
  Tensor y = like(a.value(), s);
  kernels::binary(f, y, a.value().expand(s), b.value().expand(s));
  return y;
}

}  // namespace

Var add(const Var& a, const Var& b) {
  one_type("add", std::array{a, b});
  return op("add", combined(Binary::add, a, b), {a, b}, [sa = a.shape(), sb = b.shape()](const Var& dy) {
    return Grads{sum_to(dy, sa), sum_to(dy, sb)};
  });
}

Var sub(const Var& a, const Var& b) {
  one_type("sub", std::array{a, b});
  return op("sub", combined(Binary::subtract, a, b), {a, b}, [sa = a.shape(), sb = b.shape()](const Var& dy) {
    return Grads{sum_to(dy, sa), scale(sum_to(dy, sb), -1)};
  });
}

Var mul(const Var& a, const Var& b) {
  const bool weighed = a.value().dtype() == DType::bf16 && b.value().dtype() == DType::f32;
  if (!weighed) one_type("mul", std::array{a, b});
  return op("mul", combined(Binary::multiply, a, b), {a, b}, [a, b](const Var& dy) {
    return Grads{a.tape() ? sum_to(mul(dy, b), a.shape()) : Var(),
                 b.tape() ? sum_to(mul(dy, a), b.shape(), b.value().dtype()) : Var()};
  });
}

Var scale(const Var& x, double c) {
  return op("scale", mapped(Unary::scale, x, c), {x}, [c](const Var& dy) { return Grads{scale(dy, c)}; });
}

Var shift(const Var& x, double c) {
  return op("shift", mapped(Unary::shift, x, c), {x}, [](const Var& dy) { return Grads{dy}; });
}

Var square(const Var& x) {
  return op("square", mapped(Unary::square, x), {x}, [x](const Var& dy) { return Grads{scale(mul(dy, x), 2)}; });
}

Var sqrt(const Var& x) {
  return op("sqrt", mapped(Unary::sqrt, x), {x},
            [](const Var& dy, const Var& y) { return Grads{scale(mul(dy, inverse(y)), 0.5)}; });
}

Var inverse(const Var& x) {
  return op("inverse", mapped(Unary::inverse, x), {x},
            [](const Var& dy, const Var& y) { return Grads{scale(mul(dy, square(y)), -1)}; });
}

Var exp(const Var& x) {
  return op("exp", mapped(Unary::exp, x), {x}, [](const Var& dy, const Var& y) { return Grads{mul(dy, y)}; });
}

Var ln(const Var& x) {
  return op("ln", mapped(Unary::log, x), {x}, [x](const Var& dy) { return Grads{mul(dy, inverse(x))}; });
}

Var tanh(const Var& x) {
  return op("tanh", mapped(Unary::tanh, x), {x},
            [](const Var& dy, const Var& y) { return Grads{sub(dy, mul(dy, square(y)))}; });
}

Var erf(const Var& x) {
  return op("erf", mapped(Unary::erf, x), {x}, [x](const Var& dy) {
    return Grads{scale(mul(dy, exp(scale(square(x), -1))), 2 * std::numbers::inv_sqrtpi)};
  });
}

Var sigmoid(const Var& x) {
  return op("sigmoid", mapped(Unary::sigmoid, x), {x},
            [](const Var& dy, const Var& y) { return Grads{mul(dy, sub(y, square(y)))}; });
}

Var softplus(const Var& x) {
  return op("softplus", mapped(Unary::softplus, x), {x}, [x](const Var& dy) { return Grads{mul(dy, sigmoid(x))}; });
}

Var silu(const Var& x) {
  return op("silu", mapped(Unary::silu, x), {x}, [x](const Var& dy) { return Grads{silu_grad(x, dy)}; });
}

namespace {
Var silu_slope(const Var& x) {  // s (1 + x (1 - s))
  Var s = sigmoid(x);
  return add(s, mul(mul(x, s), sub(Var(ones_like(s)), s)));
}
Var gelu_slope(const Var& x) {  // Phi(x) + x phi(x)
  Var cdf = scale(shift(erf(scale(x, 1 / std::numbers::sqrt2)), 1), 0.5);
  Var pdf = scale(exp(scale(square(x), -0.5)), std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return add(cdf, mul(x, pdf));
}
}  // namespace

Var silu_grad(const Var& x, const Var& dy) {
  one_type("silu_grad", std::array{x, dy});
  return fused("silu_grad", combined(Binary::silu_grad, x, dy), {x, dy}, {},
               [](std::span<const Var> in) { return mul(in[1], silu_slope(in[0])); });
}

Var gelu(const Var& x) {
  return op("gelu", mapped(Unary::gelu, x), {x}, [x](const Var& dy) { return Grads{gelu_grad(x, dy)}; });
}

Var gelu_grad(const Var& x, const Var& dy) {
  one_type("gelu_grad", std::array{x, dy});
  return fused("gelu_grad", combined(Binary::gelu_grad, x, dy), {x, dy}, {},
               [](std::span<const Var> in) { return mul(in[1], gelu_slope(in[0])); });
}

namespace {
constexpr double gelu_cube = 0.044715, gelu_scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
Var gelu_tanh_slope(const Var& x) {  // (1 + t) / 2 + x (1 - t^2) u' / 2,  t = tanh(u)
  const Var x2 = square(x), u = mul(x, shift(scale(x2, gelu_scale * gelu_cube), gelu_scale)), t = tanh(u);
  const Var du = shift(scale(x2, 3 * gelu_scale * gelu_cube), gelu_scale);
  return scale(add(shift(t, 1), mul(mul(x, du), sub(Var(ones_like(t)), square(t)))), 0.5);
}
}  // namespace

Var gelu_tanh(const Var& x) {
  return op("gelu_tanh", mapped(Unary::gelu_tanh, x), {x}, [x](const Var& dy) { return Grads{gelu_tanh_grad(x, dy)}; });
}

Var gelu_tanh_grad(const Var& x, const Var& dy) {
  one_type("gelu_tanh_grad", std::array{x, dy});
  auto fast = [x, dy](const Var& d) {
    const Var bend = combined(Binary::gelu_tanh_bend, x, mul(d, dy)), slope = combined(Binary::gelu_tanh_grad, x, d);
    return Grads{sum_to(bend, x.shape()), sum_to(slope, dy.shape())};
  };
  return fused("gelu_tanh_grad", combined(Binary::gelu_tanh_grad, x, dy), {x, dy}, fast,
               [](std::span<const Var> in) { return mul(in[1], gelu_tanh_slope(in[0])); });
}

Var relu(const Var& x) {
  return op("relu", mapped(Unary::relu, x), {x}, [x](const Var& dy) { return Grads{relu_grad(x, dy)}; });
}

Var relu_grad(const Var& x, const Var& dy) {
  one_type("relu_grad", std::array{x, dy});
  return op("relu_grad", combined(Binary::relu_grad, x, dy), {x, dy}, [x, s = dy.shape()](const Var& d) {
    return Grads{Var(), sum_to(relu_grad(x, d), s)};
  });
}

Var swiglu(const Var& g, const Var& h) {
  one_type("swiglu", std::array{g, h});
  Tensor m = like(g.value());
  kernels::swiglu(m, dense(g.value()), dense(h.value()));
  return op("swiglu", m, {g, h}, [g, h](const Var& dm) { return swiglu_grad(g, h, dm); });
}

std::vector<Var> swiglu_grad(const Var& g, const Var& h, const Var& dm) {
  one_type("swiglu_grad", std::array{g, h, dm});
  Tensor dg = like(g.value()), dh = like(h.value());
  Tensor gv = dense(g.value()), hv = dense(h.value()), dmv = dense(dm.value());
  kernels::swiglu_grad(dg, dh, gv, hv, dmv);
  auto slow = [](std::span<const Var> x) {
    return std::vector<Var>{mul(mul(x[2], x[1]), silu_slope(x[0])), mul(x[2], mul(x[0], sigmoid(x[0])))};
  };
  return fused_many("swiglu_grad", {dg, dh}, {g, h, dm}, {}, slow);
}

std::vector<Var> rated_gates(const Var& g, const Var& h, const Var& dm, const Var& rate0, const Var& rate1,
                             const Var& rate2) {
  one_type("rated_gates", std::array{g, h, dm});
  one_type("rates", std::array{rate0, rate1, rate2});
  const Tensor gv = dense(g.value()), hv = dense(h.value()), dmv = dense(dm.value()), r0 = dense(rate0.value()),
               r1 = dense(rate1.value()), r2 = dense(rate2.value());
  const Tensor m = like(gv), dg = like(gv), dh = like(gv);
  kernels::rated_gates({.m = m, .dg = dg, .dh = dh, .g = gv, .h = hv, .dm = dmv, .rates = {r0, r1, r2}});
  auto fast = [gv, hv, dmv, r0, r1, r2](std::span<const Var> d) {
    auto or_zero = [&](const Var& x) {
      Tensor t = x ? dense(x.value()) : like(gv);
      if (!x) kernels::fill(t, 0);
      return t;
    };
    const Tensor g_bar = like(gv), h_bar = like(gv), dm_bar = like(gv), r0_bar = like(r0), r1_bar = like(r1),
                 r2_bar = like(r2);
    kernels::rated_gates_grad({.g_bar = g_bar,
                               .h_bar = h_bar,
                               .dm_bar = dm_bar,
                               .rate_bars = {r0_bar, r1_bar, r2_bar},
                               .g = gv,
                               .h = hv,
                               .dm = dmv,
                               .rates = {r0, r1, r2},
                               .m_bar = or_zero(d[0]),
                               .dg_bar = or_zero(d[1]),
                               .dh_bar = or_zero(d[2])});
    return Grads{g_bar, h_bar, dm_bar, r0_bar, r1_bar, r2_bar};
  };
  auto slow = [](std::span<const Var> x) {
    const std::vector<Var> slopes = swiglu_grad(x[0], x[1], x[2]);
    return std::vector<Var>{mul(swiglu(x[0], x[1]), x[4]), mul(slopes[0], x[3]), mul(slopes[1], x[5])};
  };
  return fused_many("rated_gates", {m, dg, dh}, {g, h, dm, rate0, rate1, rate2}, fast, slow);
}

Var cast(const Var& x, DType t) {
  if (x.value().dtype() == t) return x;
  Tensor y = Tensor::empty(x.value().device(), x.shape(), t);
  kernels::unary(Unary::copy, y, x.value());
  return op("cast", y, {x}, [from = x.value().dtype()](const Var& dy) { return Grads{cast(dy, from)}; });
}

Var widened(const Var& x) { return x.value().dtype() == DType::bf16 ? cast(x, DType::f32) : x; }

Var detach(const Var& x) { return x.value(); }

}  // namespace lact
