#include <array>
#include <limits>

#include "autograd/broadcast.hpp"
#include "autograd/operands.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/attention.hpp"
#include "kernels/norms.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/softmax.hpp"

namespace lact {
namespace {

Var softmax_grad(const Var& dy, const Var& y, double c) {
  one_type("softmax_grad", std::array{dy, y});
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
  one_type("attention", std::array{q, k, v});
  const Tensor qv = dense_rows(q.value()), kv = dense_rows(k.value()), vv = dense_rows(v.value());
  // results lie as [b, t, h, d], so that joining the heads is free
  Tensor o = like(qv, {q.dim(0), q.dim(2), q.dim(1), v.dim(3)}).permute({0, 2, 1, 3});
  const DType stats = qv.dtype() == DType::bf16 ? DType::f32 : qv.dtype();
  Tensor lse = Tensor::empty(qv.device(), {q.dim(0), q.dim(1), q.dim(2)}, stats);
  kernels::attention(o, lse, qv, kv, vv, c, mask);
  auto fast = [=](const Var& dy) {
    Tensor dq = like(qv), dk = like(kv), dv = like(vv);
    kernels::attention_grad({.dq = dq,
                             .dk = dk,
                             .dv = dv,
                             .dout = dense_rows(dy.value()),
                             .q = qv,
                             .k = kv,
                             .v = vv,
                             .o = o,
                             .lse = lse,
                             .scale = c,
                             .mask = mask});
    return Grads{dq, dk, dv};
  };
  return fused("attention", o, {q, k, v}, fast, [c, mask](std::span<const Var> in) {
    return matmul(softmax(matmul(in[0], in[1], Orient::nt), c, mask), in[2]);
  });
}

namespace {

// Rows of queries or keys, normed where there are weights, and what the gradient reads.
struct NormedRows {
  Tensor rows, weights, r;
  NormedRows(const Tensor& x, const Var& w, DType stats, double eps) : rows(x) {
    if (!w) return;
    weights = dense(w.value()), rows = like(x), r = Tensor::empty(x.device(), {x.dim(0), x.dim(1), x.dim(2)}, stats);
    kernels::rms_norm(rows, r, x, weights, eps);
  }
  Var pull(const Tensor& dx, const Tensor& x) const {  // dx holds the gradient of the rows before
    if (!weights.defined()) return {};
    const Tensor dw = like(weights);
    kernels::rms_norm_grad(dx, dw, dx, x, weights, r);
    return dw;
  }
};

}  // namespace

Var self_attention(const Var& qkv, std::int64_t heads, const Var& q_weight, const Var& k_weight, double eps, double c,
                   Mask mask) {
  check(bool(q_weight) == bool(k_weight), "weights for the norm of queries or of keys alone");
  const Tensor whole = dense(qkv.value());
  const std::vector<Tensor> x = parts_by_heads(whole, 3, heads);
  const std::int64_t b = x[0].dim(0), t = x[0].dim(2), d = x[0].dim(3);
  const DType stats = whole.dtype() == DType::bf16 ? DType::f32 : whole.dtype();
  const NormedRows q(x[0], q_weight, stats, eps), k(x[1], k_weight, stats, eps);
  const Tensor y = like(whole, {b, t, heads * d}), o = parts_by_heads(y, 1, heads)[0],
               lse = Tensor::empty(whole.device(), {b, heads, t}, stats);
  kernels::attention(o, lse, q.rows, k.rows, x[2], c, mask);
  auto fast = [=](const Var& dy) {
    const Tensor dx = like(whole);  // the gradients of all three side by side
    const std::vector<Tensor> to = parts_by_heads(dx, 3, heads);
    const Tensor dout = parts_by_heads(dense(dy.value()), 1, heads)[0];
    kernels::attention_grad({.dq = to[0],
                             .dk = to[1],
                             .dv = to[2],
                             .dout = dout,
                             .q = q.rows,
                             .k = k.rows,
                             .v = x[2],
                             .o = o,
                             .lse = lse,
                             .scale = c,
                             .mask = mask});
    const Var dq_weight = q.pull(to[0], x[0]), dk_weight = k.pull(to[1], x[1]);
    return dq_weight ? Grads{dx, dq_weight, dk_weight} : Grads{dx};
  };
  std::vector<Var> in{qkv};
  if (q_weight) in.insert(in.end(), {q_weight, k_weight});
  return fused("self_attention", y, in, fast, [=](std::span<const Var> v) {
    std::vector<Var> parts = split_heads(v[0], 3, heads);
    for (std::size_t p = 0; p + 1 < v.size(); ++p) parts[p] = rms_norm(parts[p], v[p + 1], eps);
    return join_heads({attention(parts[0], parts[1], parts[2], c, mask)});
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
