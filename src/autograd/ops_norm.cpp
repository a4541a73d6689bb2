#include <algorithm>
#include <array>

#include "autograd/broadcast.hpp"
#include "autograd/operands.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/mini_batch.hpp"
#include "kernels/norms.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/sums.hpp"

namespace lact {
namespace {

// Numbers per row: statistics of bf16 rows are f32.
Tensor per_row(const Tensor& x) {
  Shape s = x.shape();
  s.pop_back();
  return Tensor::empty(x.device(), std::move(s), x.dtype() == DType::bf16 ? DType::f32 : x.dtype());
}
Tensor per_row(const Var& x) { return per_row(x.value()); }
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
    kernels::layer_norm_grad(
        {.dx = dx, .dw = dw, .dy = dense_rows(dy.value()), .x = xv, .w = wv, .mean = mean, .r = r, .beside = {}});
    return wv.defined() ? Grads{dx, dw} : Grads{dx};
  };
  return fused("layer_norm", y, inputs(x, w), fast, [eps](std::span<const Var> in) {
    Var centred = sub(in[0], row_mean(in[0]));
    return weighted(mul(centred, inverse(sqrt(shift(row_mean(square(centred)), eps)))), in);
  });
}

std::vector<Var> add_layer_norm(const Var& x, const Var& y, const Var& w, double eps) {
  check(!y || y.shape() == x.shape(), "a sum of shapes {} and {}", text_of(x.shape()), y ? text_of(y.shape()) : "");
  if (y) one_type("add_layer_norm", std::array{x, y});
  const Tensor wv = w ? dense(w.value()) : Tensor(), xv = dense_rows(x.value()), s = y ? like(xv) : xv, n = like(xv),
               mean = per_row(xv), r = like(mean);
  if (y)
    kernels::add_layer_norm(
        {.s = s, .y = n, .mean = mean, .r = r, .a = xv, .b = dense_rows(y.value()), .w = wv, .eps = eps});
  else
    kernels::layer_norm(n, mean, r, s, wv, eps);
  // the sum is a node of its own, so that nothing keeps x and y
  const Var sum = y ? op("add", s, {x, y}, [](const Var& dy) { return Grads{dy, dy}; }) : x;
  auto fast = [s, wv, mean, r](std::span<const Var> dys) {
    if (!dys[1]) return wv.defined() ? Grads{dys[0], {}} : Grads{dys[0]};
    const Tensor dx = like(s), dw = wv.defined() ? like(wv) : Tensor();
    kernels::layer_norm_grad({.dx = dx,
                              .dw = dw,
                              .dy = dense_rows(dys[1].value()),
                              .x = s,
                              .w = wv,
                              .mean = mean,
                              .r = r,
                              .beside = dys[0] ? dense_rows(dys[0].value()) : Tensor()});
    return wv.defined() ? Grads{dx, dw} : Grads{dx};
  };
  auto slow = [eps](std::span<const Var> in) {
    return std::vector<Var>{in[0], layer_norm(in[0], in.size() > 1 ? in[1] : Var(), eps)};
  };
  return fused_many("add_layer_norm", {s, n}, inputs(sum, w), fast, slow);
}

std::vector<Var> silu_heads(const Var& x, int parts, std::int64_t heads, int normed, double eps,
                            const std::vector<std::int64_t>& rows) {
  const Tensor whole = dense(x.value());
  std::vector<Tensor> from = parts_by_heads(whole, parts, heads), ys, norms;
  for (std::size_t p = 0; p < from.size(); ++p) {
    if (!rows.empty()) from[p] = from[p].cut(2, {0, rows[p]});
    const Shape& s = from[p].shape();
    ys.push_back(like(whole, {s[0] * s[1], s[2], s[3]}));
    norms.push_back(int(p) < normed ? per_row(ys[p]) : Tensor());
    kernels::silu_rows(ys[p].view(s), norms[p], from[p], eps);
  }
  auto fast = [whole, from, norms, heads, eps](std::span<const Var> dys) {
    const Tensor dx = like(whole);
    const std::vector<Tensor> to = parts_by_heads(dx, std::int64_t(from.size()), heads);
    for (std::size_t p = 0; p < from.size(); ++p) {
      const Range given{0, dys[p] ? from[p].dim(2) : 0}, rest{given.end, to[p].dim(2)};
      if (!rest.empty()) {
        const Tensor zero = Tensor::zeros(whole.device(), {1}, whole.dtype()), left_out = to[p].cut(2, rest);
        kernels::unary(kernels::Unary::copy, left_out, zero.expand(left_out.shape()));
      }
      if (dys[p])
        kernels::silu_rows_grad(to[p].cut(2, given), dense(dys[p].value()).view(from[p].shape()), from[p], norms[p],
                                eps);
    }
    return Grads{dx};
  };
  auto slow = [=](std::span<const Var> in) {
    std::vector<Var> out = split_heads(in[0], parts, heads);
    for (std::size_t p = 0; p < out.size(); ++p) {
      if (!rows.empty()) out[p] = cut(out[p], 2, {0, rows[p]});
      const Shape s = out[p].shape();
      const Var y = silu(out[p]);
      out[p] = view(int(p) < normed ? l2_norm(y, eps) : y, {s[0] * s[1], s[2], s[3]});
    }
    return out;
  };
  return fused_many("silu_heads", ys, {x}, fast, slow);
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

Var reconstruction_grad(const Var& z, const Var& target, const Var& w, const Var& b, double eps) {
  one_type("reconstruction_grad", std::array{z, target, w, b});
  const Tensor zv = dense_rows(z.value()), tv = dense_rows(target.value()), wv = dense(w.value()),
               bv = dense(b.value()), y = like(zv);
  kernels::reconstruction_grad({.dz = y, .z = zv, .target = tv, .w = wv, .b = bv, .eps = eps});
  auto fast = [zv, tv, wv, bv, eps](const Var& dy) {
    const Tensor z_bar = like(zv), t_bar = like(zv), w_rows = like(zv), w_bar = like(wv), b_bar = like(bv);
    kernels::reconstruction_grad_grad({.z_bar = z_bar,
                                       .target_bar = t_bar,
                                       .w_rows = w_rows,
                                       .dz_bar = dense_rows(dy.value()),
                                       .z = zv,
                                       .target = tv,
                                       .w = wv,
                                       .b = bv,
                                       .eps = eps});
    kernels::sum_to(w_bar, w_rows);
    kernels::sum_to(b_bar, t_bar);
    kernels::unary(kernels::Unary::scale, b_bar, b_bar, -1);
    return Grads{z_bar, t_bar, w_bar, b_bar};
  };
  return fused("reconstruction_grad", y, {z, target, w, b}, fast, [eps](std::span<const Var> in) {
    const Var centred = sub(in[0], row_mean(in[0])), r = inverse(sqrt(shift(row_mean(square(centred)), eps)));
    const Var u = mul(centred, r), a = mul(in[2], sub(add(mul(u, in[2]), in[3]), in[1]));
    return mul(sub(sub(a, row_mean(a)), mul(u, row_mean(mul(a, u)))), r);
  });
}

Var column_norm(const Var& w) {
  Tensor wv = dense(w.value()), n = like(wv, {w.dim(0), 1, w.dim(2)});
  kernels::column_norm(n, wv);
  return op("column_norm", n, {w},
            [w](const Var& dn, const Var& norm) { return Grads{mul(w, mul(dn, inverse(norm)))}; });
}

Var keep_column_norm(const Var& w, const Var& target, double eps) {
  one_type("keep_column_norm", std::array{w, target});
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
