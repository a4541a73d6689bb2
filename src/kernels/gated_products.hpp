// Products with what follows them element by element, in one kernel where the device has one (cuda/fused_products.cpp).
// f32, f64 and bf16, one type throughout but for rates (f32 beside bf16). What a product multiplies may be views as
// matmul takes them; all else is contiguous. Between the product and its result numbers may stay in the type of sums.
#pragma once
#include "tensor/tensor.hpp"

namespace lact::kernels {

// The network of fast weights: g = x w0, h = x w2, m = silu(g) h; x [B, t, d], w0 and w2 [B, d, dh].
void swiglu_products(Tensor m, Tensor g, Tensor h, const Tensor& x, const Tensor& w0, const Tensor& w2);
// dm = dy w1^T, then dg and dh as of swiglu_grad; dy [B, t, d], w1 [B, dh, d].
void swiglu_grad_product(Tensor dg, Tensor dh, const Tensor& dy, const Tensor& w1, const Tensor& g, const Tensor& h);
// dm = v w1^T, then m, dg and dh as of rated_gates; v [B, t, d], w1 [B, dh, d], a rate for each row [B, t].
void rated_gates_product(Tensor m, Tensor dg, Tensor dh, Tensor dm, const Tensor& v, const Tensor& w1, const Tensor& g,
                         const Tensor& h, const Tensor& rate0, const Tensor& rate1, const Tensor& rate2);

void gelu_product(Tensor y, Tensor u, const Tensor& x, const Tensor& w);  // u = x w^T, y = gelu(u); w [out, in]
void gelu_grad_product(Tensor du, const Tensor& dy, const Tensor& w, const Tensor& u);  // du = (dy w) gelu'(u)

// The same, one kernel after the other: where a device has no kernel of its own for a shape.
namespace composed {
void swiglu_products(Tensor m, Tensor g, Tensor h, const Tensor& x, const Tensor& w0, const Tensor& w2);
void swiglu_grad_product(Tensor dg, Tensor dh, const Tensor& dy, const Tensor& w1, const Tensor& g, const Tensor& h);
void rated_gates_product(Tensor m, Tensor dg, Tensor dh, Tensor dm, const Tensor& v, const Tensor& w1, const Tensor& g,
                         const Tensor& h, const Tensor& rate0, const Tensor& rate1, const Tensor& rate2);
void gelu_product(Tensor y, Tensor u, const Tensor& x, const Tensor& w);
void gelu_grad_product(Tensor du, const Tensor& dy, const Tensor& w, const Tensor& u);
}  // namespace composed

}  // namespace lact::kernels
