// Element-wise kernels. Results first, then operands; a kernel neither allocates results nor differentiates.
// f32 and f64 (copy also bf16, i32, u8). Tensors of zero numbers are legal everywhere.
#pragma once
#include "kernels/formula.hpp"
#include "kernels/kernel.hpp"

namespace lact::kernels {

// y = f(x). y contiguous (copy: any strides); x any strides, y's shape. c: the number of scale and shift.
inline constinit Kernel<void(Unary f, Tensor y, const Tensor& x, double c), double> unary{"unary", 0};

// y = f(a, b). y contiguous; a and b have y's shape, any strides (0 along expanded dims). y may be one of them where
// that is contiguous.
inline constinit Kernel<void(Binary f, Tensor y, const Tensor& a, const Tensor& b)> binary{"binary"};

// y += c x; both contiguous, same shape. c is 1 where it is left out.
inline constinit Kernel<void(Tensor y, const Tensor& x, double c), double> add_to{"add_to", 1};

// y = value everywhere; contiguous.
inline constinit Kernel<void(Tensor y, double value)> fill{"fill"};

// y = x + x^T of every matrix of [..., n, n]; both contiguous, apart in memory.
inline constinit Kernel<void(Tensor y, const Tensor& x)> add_transposed{"add_transposed"};

}  // namespace lact::kernels
