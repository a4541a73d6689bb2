// Element-wise kernels. Results first, then inputs; a kernel neither allocates results nor differentiates.
// f32 and f64 (copy also bf16, i32, u8). Zero-sized tensors are legal everywhere.
#pragma once
#include "kernels/formula.hpp"
#include "tensor/tensor.hpp"

namespace lact::kernels {

// y = f(x). y contiguous (copy: any strides); x any strides, y's shape.
void unary(Unary f, Tensor y, const Tensor& x, double c = 0);

// y = f(a, b). y contiguous; a and b have y's shape, any strides (0 along expanded dims).
void binary(Binary f, Tensor y, const Tensor& a, const Tensor& b);

void add_to(Tensor y, const Tensor& x, double c = 1);  // y += c x; both contiguous, same shape
void fill(Tensor y, double value);                     // contiguous

// The gate of a GLU network, all contiguous and of one shape.
void swiglu(Tensor m, const Tensor& g, const Tensor& h);  // m = silu(g) h
// dg = dm h silu'(g), dh = dm silu(g)
void swiglu_grad(Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm);
// The adjoint of swiglu_grad: cotangents a of dg and b of dh in, of g, h, dm out:
//   g_bar = a dm h silu''(g) + b dm silu'(g);  h_bar = a dm silu'(g);  dm_bar = a h silu'(g) + b silu(g)
// silu'(g) = s (1 + g (1 - s)), silu''(g) = s (1 - s) (2 + g (1 - 2 s)), s = sigmoid(g)
void swiglu_grad_grad(Tensor g_bar, Tensor h_bar, Tensor dm_bar, const Tensor& g, const Tensor& h, const Tensor& dm,
                      const Tensor& a, const Tensor& b);

}  // namespace lact::kernels
