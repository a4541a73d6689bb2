// Products with what follows them element by element, in one kernel where the device has one (cuda/gated_products.cpp)
// and as the kernels that they consist of elsewhere (gated_products.cpp). f32, f64 and bf16, one type throughout but
// for rates (f32 beside bf16). What a product multiplies may be views as matmul takes them; all else is contiguous.
// Between the product and its result numbers may stay in the type of sums.
#pragma once
#include "kernels/gates.hpp"

namespace lact::kernels {

// The network of fast weights: g = x w0, h = x w2, m = silu(g) h; x [B, t, d], w0 and w2 [B, d, dh].
inline constinit Kernel<void(Tensor m, Tensor g, Tensor h, const Tensor& x, const Tensor& w0, const Tensor& w2)>
    swiglu_products{"swiglu_products"};

// dm = dy w1^T, then dg and dh as of swiglu_grad; dy [B, t, d], w1 [B, dh, d], g and h [B, t, dh].
inline constinit Kernel<void(Tensor dg, Tensor dh, const Tensor& dy, const Tensor& w1, const Tensor& g,
                             const Tensor& h)>
    swiglu_grad_product{"swiglu_grad_product"};

// dm = v w1^T, then m, dg and dh as of rated_gates; v [B, t, d], w1 [B, dh, d], a rate for each row [B, t], all others
// [B, t, dh].
struct RatedGatesProduct {
  const Tensor &m, &dg, &dh, &dm;
  const Tensor &v, &w1;
  const Tensor &g, &h;
  Rates rates;
  auto tensors() const {
    return std::array{&m, &dg, &dh, &dm, &v, &w1, &g, &h, &rates.rate0, &rates.rate1, &rates.rate2};
  }
};
inline constinit Kernel<void(const RatedGatesProduct& t)> rated_gates_product{"rated_gates_product"};

// u = x w^T, y = gelu(u); w [out, in].
inline constinit Kernel<void(Tensor y, Tensor u, const Tensor& x, const Tensor& w)> gelu_product{"gelu_product"};
// du = (dy w) gelu'(u)
inline constinit Kernel<void(Tensor du, const Tensor& dy, const Tensor& w, const Tensor& u)> gelu_grad_product{
    "gelu_grad_product"};

}  // namespace lact::kernels
