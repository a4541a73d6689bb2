// Rows of scores: softmax, log-sum-exp, and one number per row by its index. f32 and f64, contiguous.
#pragma once
#include "kernels/kernel.hpp"
#include "kernels/mask.hpp"

namespace lact::kernels {

// y = softmax over the last dim of scale x with masked entries 0; x, y [..., Tq, Tk].
inline constinit Kernel<void(Tensor y, const Tensor& x, double scale, Mask mask), Mask> softmax{"softmax", Mask{}};
// dx = scale y (dy - sum(dy y))
inline constinit Kernel<void(Tensor dx, const Tensor& dy, const Tensor& y, double scale)> softmax_grad{"softmax_grad"};

// y [rows] = log sum exp of the rows of x [rows, n].
inline constinit Kernel<void(Tensor y, const Tensor& x)> log_sum_exp{"log_sum_exp"};

// y [rows] = the largest number of the rows of x [rows, n], n > 0.
inline constinit Kernel<void(Tensor y, const Tensor& x)> row_max{"row_max"};

// y [rows] = x[row, index[row]] of x [rows, n], 0 where index is negative; index [rows] i32. An index beyond the row is
// an error, or NaN where the index lies on a device that the host does not wait for.
inline constinit Kernel<void(Tensor y, const Tensor& x, const Tensor& index)> pick{"pick"};
// The adjoint of pick: dx[row, index[row]] = dy[row], zeros elsewhere.
inline constinit Kernel<void(Tensor dx, const Tensor& dy, const Tensor& index)> place{"place"};
// y [rows] = 1, and 0 where index is negative.
inline constinit Kernel<void(Tensor y, const Tensor& index)> has_index{"has_index"};

}  // namespace lact::kernels
