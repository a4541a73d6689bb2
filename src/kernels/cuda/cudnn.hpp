// Kernels through cuDNN. Each answers false where the library is not there, is switched off or takes no such shape;
// nothing has been computed then. A shape is compiled when it first comes, which the host waits for, and kept.
#pragma once
#include "kernels/attention.hpp"

namespace lact::kernels::cuda::cudnn {

bool attention(const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k, const Tensor& v, double scale,
               Mask mask);
bool attention_grad(const Tensor& dq, const Tensor& dk, const Tensor& dv, const Tensor& dout, const Tensor& q,
                    const Tensor& k, const Tensor& v, const Tensor& o, const Tensor& lse, double scale, Mask mask);

bool swiglu_products(const Tensor& m, const Tensor& g, const Tensor& h, const Tensor& x, const Tensor& w0,
                     const Tensor& w2);
bool swiglu_grad_product(const Tensor& dg, const Tensor& dh, const Tensor& dy, const Tensor& w1, const Tensor& g,
                         const Tensor& h);
bool rated_gates_product(const Tensor& m, const Tensor& dg, const Tensor& dh, const Tensor& dm, const Tensor& v,
                         const Tensor& w1, const Tensor& g, const Tensor& h, const Tensor& rate0, const Tensor& rate1,
                         const Tensor& rate2);
bool gelu_product(const Tensor& y, const Tensor& u, const Tensor& x, const Tensor& w);
bool gelu_grad_product(const Tensor& du, const Tensor& dy, const Tensor& w, const Tensor& u);

}  // namespace lact::kernels::cuda::cudnn
