// Products with what follows them element by element: one kernel where cuDNN has it for the shape.
#include "kernels/gated_products.hpp"

#include "kernels/cuda/cudnn.hpp"

namespace lact::kernels::cuda {

const Cuda<kernels::swiglu_products> swiglu_products = [](Tensor m, Tensor g, Tensor h, const Tensor& x,
                                                          const Tensor& w0, const Tensor& w2) {
  if (!cudnn::swiglu_products(m, g, h, x, w0, w2)) kernels::swiglu_products.in_parts(m, g, h, x, w0, w2);
};

const Cuda<kernels::swiglu_grad_product> swiglu_grad_product = [](Tensor dg, Tensor dh, const Tensor& dy,
                                                                  const Tensor& w1, const Tensor& g, const Tensor& h) {
  if (!cudnn::swiglu_grad_product(dg, dh, dy, w1, g, h)) kernels::swiglu_grad_product.in_parts(dg, dh, dy, w1, g, h);
};

const Cuda<kernels::rated_gates_product> rated_gates_product = [](const RatedGatesProduct& t) {
  if (!cudnn::rated_gates_product(t)) kernels::rated_gates_product.in_parts(t);
};

const Cuda<kernels::gelu_product> gelu_product = [](Tensor y, Tensor u, const Tensor& x, const Tensor& w) {
  if (!cudnn::gelu_product(y, u, x, w)) kernels::gelu_product.in_parts(y, u, x, w);
};

const Cuda<kernels::gelu_grad_product> gelu_grad_product = [](Tensor du, const Tensor& dy, const Tensor& w,
                                                              const Tensor& u) {
  if (!cudnn::gelu_grad_product(du, dy, w, u)) kernels::gelu_grad_product.in_parts(du, dy, w, u);
};

}  // namespace lact::kernels::cuda
