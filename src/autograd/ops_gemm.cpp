#include "autograd/broadcast.hpp"
#include "autograd/operands.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"

namespace lact {
namespace {

Tensor flipped(const Tensor& x, bool flip) { return flip ? x.transpose() : x; }

// The rows and columns must lie so that one of them has stride 1; anything else is copied.
Tensor usable(const Tensor& x) {
  std::int64_t rows = x.strides()[x.strides().size() - 2], columns = x.strides().back();
  bool expanded = (rows == 0 && x.dim(-2) > 1) || (columns == 0 && x.dim(-1) > 1);
  return !expanded && (rows == 1 || columns == 1 || x.dim(-1) == 1 || x.dim(-2) == 1) ? x : dense(x);
}

}  // namespace

Tensor operand(const Tensor& x, bool low) {
  if (!low || x.dtype() == DType::bf16) return usable(x);
  Tensor y = Tensor::empty(x.device(), x.shape(), DType::bf16);
  kernels::unary(kernels::Unary::copy, y, x);
  return y;
}

namespace {

void product(const Tensor& y, const Tensor& c, const Var& a, const Var& b, Orient o, double alpha, double beta) {
  const bool low = a.value().dtype() == DType::bf16 || b.value().dtype() == DType::bf16;
  kernels::matmul_add(y, c, flipped(operand(a.value(), low), o == Orient::tn),
                      flipped(operand(b.value(), low), o == Orient::nt), alpha, beta);
}

Shape product_shape(const Var& a, const Var& b, Orient o) {
  check(a.shape().size() == b.shape().size() && a.shape().size() >= 2, "a product of shapes {} and {}",
        text_of(a.shape()), text_of(b.shape()));
  Shape s = a.shape();
  s[s.size() - 2] = o == Orient::tn ? a.dim(-1) : a.dim(-2);
  s[s.size() - 1] = o == Orient::nt ? b.dim(-2) : b.dim(-1);
  return s;
}

Grads product_grads(const Var& a, const Var& b, Orient o, const Var& dy, double alpha) {
  auto form = [&](const Var& x, const Var& y, Orient way, const Var& of) {  // in the type of what it is the gradient of
    Var p = matmul(x, y, way, of.value().dtype());
    return alpha == 1 ? p : scale(p, alpha);
  };
  Var da, db;
  if (o == Orient::nn) {
    if (a.tape()) da = form(dy, b, Orient::nt, a);
    if (b.tape()) db = form(a, dy, Orient::tn, b);
  } else if (o == Orient::nt) {
    if (a.tape()) da = form(dy, b, Orient::nn, a);
    if (b.tape()) db = form(dy, a, Orient::tn, b);
  } else {
    if (a.tape()) da = form(b, dy, Orient::nt, a);
    if (b.tape()) db = form(a, dy, Orient::nn, b);
  }
  return {da, db};
}

}  // namespace

Var matmul(const Var& a, const Var& b, Orient o, std::optional<DType> result) {
  const DType ta = a.value().dtype(), tb = b.value().dtype();
  const DType natural = ta != tb ? DType::bf16 : (ta == DType::bf16 ? DType::f32 : ta);
  check(ta == tb || ta == DType::bf16 || tb == DType::bf16, "a product of {} and {}", name_of(ta), name_of(tb));
  Tensor y = Tensor::empty(a.value().device(), product_shape(a, b, o), result.value_or(natural));
  product(y, y, a, b, o, 1, 0);
  return op("matmul", y, {a, b}, [a, b, o](const Var& dy) { return product_grads(a, b, o, dy, 1); });
}

Var matmul_add(const Var& c, double beta, const Var& a, const Var& b, double alpha, Orient o) {
  const Tensor cv = dense(c.value()), y = like(cv);
  product(y, cv, a, b, o, alpha, beta);
  return op("matmul_add", y, {c, a, b}, [a, b, o, alpha, beta](const Var& dy) {
    Grads g = product_grads(a, b, o, dy, alpha);
    return Grads{beta == 1 ? dy : scale(dy, beta), g[0], g[1]};
  });
}

namespace {

// The bias of bf16 rows is f32 like all weights, and so is its gradient, a sum over rows.
Var with_bias(const Var& x, const Var& bias) {
  const Tensor y = like(x.value());
  kernels::binary(kernels::Binary::add, y, x.value(), bias.value().expand(x.shape()));
  return op("bias", y, {x, bias}, [s = bias.shape(), t = bias.value().dtype()](const Var& dy) {
    return Grads{dy, sum_to(dy, s, t)};
  });
}

}  // namespace

Var linear(const Var& x, const Var& w, const Var& bias) {
  Shape s = x.shape();
  check(s.back() == w.dim(1), "a linear layer of {} inputs was given {}", w.dim(1), s.back());
  Var y = matmul(view(x, {x.value().count() / std::max<std::int64_t>(s.back(), 1), s.back()}), w, Orient::nt);
  s.back() = w.dim(0);
  y = view(y, s);
  return bias ? with_bias(y, bias) : y;
}

}  // namespace lact
