// Sums and norms. Every sum has a fixed order for a given shape and number of threads does not change it.
// Rows are the last dim. Where "rows may be strided" is said, x and y are any views whose last stride is 1. f32 and
// f64; per-row results (mean, inverse, norm) have x's type and x's shape without the last dim, contiguous.
#pragma once
#include "tensor/tensor.hpp"

namespace lact::kernels {

// y = sums of x over the dims where y has size 1 (equal number of dims). y contiguous, x any strides.
void sum_to(Tensor y, const Tensor& x);
// y [1] f64 = sum of squares, in blocks of 4096 elements summed along a binary tree. x contiguous.
void squared_norm(Tensor y, const Tensor& x);

// y = x r w with r = 1 / sqrt(mean(x^2) + eps); w [d] or undefined. Rows may be strided. r per row.
void rms_norm(Tensor y, Tensor r, const Tensor& x, const Tensor& w, double eps);
// dx (rows may be strided, and be dy itself) and, if defined, dw [d] summed over all rows.
void rms_norm_grad(Tensor dx, Tensor dw, const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& r);

// y = (x - mean) r w with r = 1 / sqrt(var + eps), biased variance; w [d] or undefined. Rows may be strided.
void layer_norm(Tensor y, Tensor mean, Tensor r, const Tensor& x, const Tensor& w, double eps);
// dx = beside + the gradient, where beside is defined: what came to x on another way.
void layer_norm_grad(Tensor dx, Tensor dw, const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& mean,
                     const Tensor& r, const Tensor& beside = {});
// s = a + b, and y its norm as above.
void add_layer_norm(Tensor s, Tensor y, Tensor mean, Tensor r, const Tensor& a, const Tensor& b, const Tensor& w,
                    double eps);

// y = x / (|x| + eps): the epsilon is added to the norm. Rows may be strided. norm per row = |x|.
void l2_norm(Tensor y, Tensor norm, const Tensor& x, double eps);
void l2_norm_grad(Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm, double eps);  // 0 / 0 counts as 0
// y = silu(x), and where norm is defined over (norm + eps), norm = |silu(x)| per row. Rows may be strided; dx is not
// dy.
void silu_rows(Tensor y, Tensor norm, const Tensor& x, double eps);
void silu_rows_grad(Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm, double eps);

// Columns of w [B, m, n]: norms over dim 1, norm [B, 1, n]; y = w / (norm + eps) * target, target [B, 1, n].
void column_norm(Tensor norm, const Tensor& w);
void keep_column_norm(Tensor y, Tensor norm, const Tensor& w, const Tensor& target, double eps);
// dw and, if defined, dtarget [B, 1, n].
void keep_column_norm_grad(Tensor dw, Tensor dtarget, const Tensor& dy, const Tensor& w, const Tensor& norm,
                           const Tensor& target, double eps);

}  // namespace lact::kernels
