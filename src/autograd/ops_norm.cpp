#include "autograd/broadcast.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/norm_reduce.hpp"

namespace lact {
namespace {

// Numbers per row: statistics of bf16 rows are f32.
Tensor per_row(const Var& x) {
  Shape s = x.shape();
  s.pop_back();
  const DType t = x.value().dtype();
  return Tensor::empty(x.value().device(), std::move(s), t == DType::bf16 ? DType::f32 : t);
}
Var row_mean(const Var& x) {
  Shape s = x.shape();
  s.back() = 1;
  return scale(sum_to(x, s), 1.0 / double(x.dim(-1)));
}
Var weighted(const Var& x, std::span<const Var> in) { return in.size() > 1 ? mul(x, in[1]) : x; }
std::vector<Var> inputs(const Var& x, const Var& w) { return w ? std::vector<Var>{x, w} : std::vector<Var>{x}; }
Var row_norm(const Var& x, int dim) {
  Shape s = x.shape();
  s[std::size_t(dim < 0 ? dim + int(s.size()) : dim)] = 1;
  return sqrt(sum_to(square(x), s));
}

}  // namespace

Var rms_norm(const Var& x, const Var& w, double eps) {
  Tensor xv = dense_rows(x.value()), wv = w ? dense(w.value()) : Tensor(), y = like(xv), r = per_row(x);
  kernels::rms_norm(y, r, xv, wv, eps);
  auto fast = [xv, wv, r](const Var& dy) {
    Tensor dx = like(xv), dw = wv.defined() ? like(wv) : Tensor();
    kernels::rms_norm_grad(dx, dw, dense_rows(dy.value()), xv, wv, r);
    return wv.defined() ? Grads{dx, dw} : Grads{dx};
  };
  return fused("rms_norm", y, inputs(x, w), fast, [eps](std::span<const Var> in) {
    return weighted(mul(in[0], inverse(sqrt(shift(row_mean(square(in[0])), eps)))), in);
  });
}

Var layer_norm(const Var& x, const Var& w, double eps) {
  Tensor xv = dense_rows(x.value()), wv = w ? dense(w.value()) : Tensor(), y = like(xv), mean = per_row(x),
         r = like(mean);
  kernels::layer_norm(y, mean, r, xv, wv, eps);
  auto fast = [xv, wv, mean, r](const Var& dy) {
    Tensor dx = like(xv), dw = wv.defined() ? like(wv) : Tensor();
    kernels::layer_norm_grad(dx, dw, dense_rows(dy.value()), xv, wv, mean, r);
    return wv.defined() ? Grads{dx, dw} : Grads{dx};
  };
  return fused("layer_norm", y, inputs(x, w), fast, [eps](std::span<const Var> in) {
    Var centred = sub(in[0], row_mean(in[0]));
    return weighted(mul(centred, inverse(sqrt(shift(row_mean(square(centred)), eps)))), in);
  });
}

Var l2_norm(const Var& x, double eps) {
  Tensor xv = dense_rows(x.value()), y = like(xv), norm = per_row(x);
  kernels::l2_norm(y, norm, xv, eps);
  auto fast = [xv, norm, eps](const Var& dy) {
    Tensor dx = like(xv);
    kernels::l2_norm_grad(dx, dense_rows(dy.value()), xv, norm, eps);
    return Grads{dx};
  };
  return fused("l2_norm", y, {x}, fast,
               [eps](std::span<const Var> in) { return mul(in[0], inverse(shift(row_norm(in[0], -1), eps))); });
}

Var column_norm(const Var& w) {
  Tensor wv = dense(w.value()), n = like(wv, {w.dim(0), 1, w.dim(2)});
  kernels::column_norm(n, wv);
  return op("column_norm", n, {w},
            [w](const Var& dn, const Var& norm) { return Grads{mul(w, mul(dn, inverse(norm)))}; });
}

Var keep_column_norm(const Var& w, const Var& target, double eps) {
  Tensor wv = dense(w.value()), tv = dense(target.value()), y = like(wv), norm = like(tv);
  kernels::keep_column_norm(y, norm, wv, tv, eps);
  auto fast = [wv, tv, norm, eps, wants = target.tape() != nullptr](const Var& dy) {
    Tensor dw = like(wv), dt = wants ? like(tv) : Tensor();
    kernels::keep_column_norm_grad(dw, dt, dense(dy.value()), wv, norm, tv, eps);
    return Grads{dw, wants ? Var(dt) : Var()};
  };
  return fused("keep_column_norm", y, {w, target}, fast, [eps](std::span<const Var> in) {
    return mul(in[0], mul(in[1], inverse(shift(row_norm(in[0], 1), eps))));
  });
}

}  // namespace lact
