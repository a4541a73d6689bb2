// Element-wise kernels. Results first, then inputs; a kernel neither allocates results nor differentiates.
// f32 and f64 (copy also bf16, i32, u8). Zero-sized tensors are legal everywhere. Of binary and swiglu_grad a result
// may stand where a contiguous input stood.
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
void add_transposed(Tensor y, const Tensor& x);        // y = x + x^T of every [n, n]; both contiguous, apart in memory

// The gate of a GLU network, all contiguous and of one shape.
void swiglu(Tensor m, const Tensor& g, const Tensor& h);  // m = silu(g) h
// dg = dm h silu'(g), dh = dm silu(g)
void swiglu_grad(Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm);
// What an inner gradient multiplies with keys and values: rows [..., n], each times its rates (f32 for rows of bf16).
//   m = silu(g) h rate1;  dg = dm h silu'(g) rate0;  dh = dm silu(g) rate2
void rated_gates(Tensor m, Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm,
                 const Tensor& rate0, const Tensor& rate1, const Tensor& rate2);
// Its adjoint: cotangents a of m, b of dg, c of dh in. With those times their rates, and the sums of the rates along
// rows:
//   g_bar = a h silu'(g) + b dm h silu''(g) + c dm silu'(g);  h_bar = a silu(g) + b dm silu'(g);
//   dm_bar = b h silu'(g) + c silu(g);  rate1_bar = sum a m / rate1, and so on
// silu'(g) = s (1 + g (1 - s)), silu''(g) = s (1 - s) (2 + g (1 - 2 s)), s = sigmoid(g)
void rated_gates_grad(Tensor g_bar, Tensor h_bar, Tensor dm_bar, Tensor rate0_bar, Tensor rate1_bar, Tensor rate2_bar,
                      const Tensor& g, const Tensor& h, const Tensor& dm, const Tensor& rate0, const Tensor& rate1,
                      const Tensor& rate2, const Tensor& a, const Tensor& b, const Tensor& c);

}  // namespace lact::kernels
