// Kernels that cuDNN computes. Each returns false, having done nothing, where the library is not installed, is switched
// off or does not support the shape. The first call for a shape compiles it, while the host waits; later ones reuse it.
#pragma once
#include "kernels/attention.hpp"
#include "kernels/gated_products.hpp"

namespace lact::kernels::cuda::cudnn {

bool attention(const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k, const Tensor& v, double scale,
               Mask mask);
bool attention_grad(const AttentionGrad& t);

bool swiglu_products(const Tensor& m, const Tensor& g, const Tensor& h, const Tensor& x, const Tensor& w0,
                     const Tensor& w2);
bool swiglu_grad_product(const Tensor& dg, const Tensor& dh, const Tensor& dy, const Tensor& w1, const Tensor& g,
                         const Tensor& h);
bool rated_gates_product(const RatedGatesProduct& t);
bool gelu_product(const Tensor& y, const Tensor& u, const Tensor& x, const Tensor& w);
bool gelu_grad_product(const Tensor& du, const Tensor& dy, const Tensor& w, const Tensor& u);

}  // namespace lact::kernels::cuda::cudnn
