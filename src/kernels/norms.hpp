// Norms of rows and of columns, with their gradients; sums in an order that depends on the shape alone. f32 and f64, on
// a GPU rows also in bf16. Rows are the last dim: x [..., n] and y are any views whose last stride is 1. Numbers per
// row (mean, inverse, norm) have x's shape without the last dim and x's type, f32 beside bf16, and are contiguous.
// Weights w [n] and their gradients dw [n], which are summed over all rows, may be undefined.
#pragma once
#include "kernels/kernel.hpp"

namespace lact::kernels {

// y = x r w with r = 1 / sqrt(mean(x^2) + eps).
inline constinit Kernel<void(Tensor y, Tensor r, const Tensor& x, const Tensor& w, double eps)> rms_norm{"rms_norm"};
// dx may be dy itself.
inline constinit Kernel<void(Tensor dx, Tensor dw, const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& r)>
    rms_norm_grad{"rms_norm_grad"};

// y = (x - mean) r w with r = 1 / sqrt(var + eps), biased variance.
inline constinit Kernel<void(Tensor y, Tensor mean, Tensor r, const Tensor& x, const Tensor& w, double eps)> layer_norm{
    "layer_norm"};

// dx = the gradient that came to x through its norm, plus `beside`, where that is defined: what came on another way.
struct LayerNormGrad {
  const Tensor &dx, &dw;
  const Tensor &dy, &x, &w;
  const Tensor &mean, &r;
  const Tensor& beside;
  auto tensors() const { return std::array{&dx, &dw, &dy, &x, &w, &mean, &r, &beside}; }
};
inline constinit Kernel<void(const LayerNormGrad& t)> layer_norm_grad{"layer_norm_grad"};

// s = a + b, and y its norm as of layer_norm.
struct AddLayerNorm {
  const Tensor &s, &y, &mean, &r;
  const Tensor &a, &b, &w;
  double eps;
  auto tensors() const { return std::array{&s, &y, &mean, &r, &a, &b, &w}; }
};
inline constinit Kernel<void(const AddLayerNorm& t)> add_layer_norm{"add_layer_norm"};

// y = x / (|x| + eps): the epsilon is added to the norm. norm per row = |x|.
inline constinit Kernel<void(Tensor y, Tensor norm, const Tensor& x, double eps)> l2_norm{"l2_norm"};
// 0 / 0 counts as 0.
inline constinit Kernel<void(Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm, double eps)>
    l2_norm_grad{"l2_norm_grad"};

// y = silu(x), and where norm is defined over (norm + eps), norm = |silu(x)| per row.
inline constinit Kernel<void(Tensor y, Tensor norm, const Tensor& x, double eps)> silu_rows{"silu_rows"};
// dx is not dy.
inline constinit Kernel<void(Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm, double eps)>
    silu_rows_grad{"silu_rows_grad"};

// Columns of w [B, m, n], contiguous: norm [B, 1, n] over dim 1.
inline constinit Kernel<void(Tensor norm, const Tensor& w)> column_norm{"column_norm"};
// y = w / (norm + eps) * target, target [B, 1, n].
inline constinit Kernel<void(Tensor y, Tensor norm, const Tensor& w, const Tensor& target, double eps)>
    keep_column_norm{"keep_column_norm"};
// With s = 1 / (norm + eps) and dot [B, 1, n] = sum of dy w over a column: dtarget = dot s, where it is defined, and
// dw = dy target s - w target dot s^2 / norm.
inline constinit Kernel<void(Tensor dw, Tensor dtarget, const Tensor& dy, const Tensor& w, const Tensor& norm,
                             const Tensor& target, double eps)>
    keep_column_norm_grad{"keep_column_norm_grad"};

}  // namespace lact::kernels
