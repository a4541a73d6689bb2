// Sums. Each has an order that depends on the shape alone: the number of threads changes no bit. f32 and f64, on a GPU
// also of bf16.
#pragma once
#include "kernels/kernel.hpp"

namespace lact::kernels {

// y = sums of x over the dims where y has size 1 (equal number of dims). y contiguous, x any strides.
inline constinit Kernel<void(Tensor y, const Tensor& x)> sum_to{"sum_to"};

// y [1] f64 = sum of squares, in blocks of 4096 elements summed along a binary tree. x contiguous.
inline constinit Kernel<void(Tensor y, const Tensor& x)> squared_norm{"squared_norm"};

}  // namespace lact::kernels
