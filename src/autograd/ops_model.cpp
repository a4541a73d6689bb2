#include <limits>

#include "autograd/broadcast.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/attention.hpp"
#include "kernels/pointwise.hpp"

namespace lact {
namespace {

Var softmax_grad(const Var& dy, const Var& y, double c) {
  Tensor dx = like(y.value());
  kernels::softmax_grad(dx, dense(dy.value()), y.value(), c);
  return fused("softmax_grad", dx, {dy, y}, {}, [c](std::span<const Var> in) {
    Var weighted = mul(in[0], in[1]);
    Shape row = weighted.shape();
    row.back() = 1;
    return scale(sub(weighted, mul(in[1], sum_to(weighted, row))), c);
  });
}

}  // namespace

Var softmax(const Var& x, double c, Mask mask) {
  Tensor y = like(x.value());
  kernels::softmax(y, dense(x.value()), c, mask);
  return op("softmax", y, {x}, [c](const Var& dy, const Var& value) { return Grads{softmax_grad(dy, value, c)}; });
}

Var attention(const Var& q, const Var& k, const Var& v, double c, Mask mask) {
  check(q.shape().size() == 4 && q.dim(3) == k.dim(3) && k.dim(2) == v.dim(2) && q.dim(1) == k.dim(1),
        "attention of queries {}, keys {} and values {}", text_of(q.shape()), text_of(k.shape()), text_of(v.shape()));
  const Tensor qv = dense_rows(q.value()), kv = dense_rows(k.value()), vv = dense_rows(v.value());
  // results lie as [b, t, h, d], so that joining the heads is free
  Tensor o = like(qv, {q.dim(0), q.dim(2), q.dim(1), v.dim(3)}).permute({0, 2, 1, 3});
  const DType stats = qv.dtype() == DType::bf16 ? DType::f32 : qv.dtype();
  Tensor lse = Tensor::empty(qv.device(), {q.dim(0), q.dim(1), q.dim(2)}, stats);
  kernels::attention(o, lse, qv, kv, vv, c, mask);
  auto fast = [=](const Var& dy) {
    Tensor dq = like(qv), dk = like(kv), dv = like(vv);
    kernels::attention_grad(dq, dk, dv, dense_rows(dy.value()), qv, kv, vv, o, lse, c, mask);
    return Grads{dq, dk, dv};
  };
  return fused("attention", o, {q, k, v}, fast, [c, mask](std::span<const Var> in) {
    return matmul(softmax(matmul(in[0], in[1], Orient::nt), c, mask), in[2]);
  });
}

Var log_sum_exp(const Var& x) {
  Tensor y = like(x.value(), {x.dim(0)});
  kernels::log_sum_exp(y, dense(x.value()));
  return op("log_sum_exp", y, {x}, [x](const Var& dy, const Var& value) {
    Shape column{x.dim(0), 1};
    return Grads{mul(exp(sub(x, view(value, column))), view(dy, column))};
  });
}

Var pick(const Var& x, const Tensor& index) {
  Tensor y = like(x.value(), {x.dim(0)});
  kernels::pick(y, dense(x.value()), index);
  return op("pick", y, {x}, [index, n = x.dim(1)](const Var& dy) { return Grads{place(dy, index, n)}; });
}

Var place(const Var& dy, const Tensor& index, std::int64_t n) {
  Tensor dx = like(dy.value(), {dy.dim(0), n});
  kernels::place(dx, dense(dy.value()), index);
  return op("place", dx, {dy}, [index](const Var& d) { return Grads{pick(d, index)}; });
}

}  // namespace lact
