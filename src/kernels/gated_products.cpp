// Products and what follows them as kernels of their own. matmul checks how the product's shapes fit, the element-wise
// kernels all else.
#include "kernels/gated_products.hpp"

#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"

namespace lact::kernels::composed {

void swiglu_products(Tensor m, Tensor g, Tensor h, const Tensor& x, const Tensor& w0, const Tensor& w2) {
  matmul(g, x, w0);
  matmul(h, x, w2);
  swiglu(m, g, h);
}

void swiglu_grad_product(Tensor dg, Tensor dh, const Tensor& dy, const Tensor& w1, const Tensor& g, const Tensor& h) {
  matmul(dg, dy, w1.transpose());
  swiglu_grad(dg, dh, g, h, dg);
}

void rated_gates_product(Tensor m, Tensor dg, Tensor dh, Tensor dm, const Tensor& v, const Tensor& w1, const Tensor& g,
                         const Tensor& h, const Tensor& rate0, const Tensor& rate1, const Tensor& rate2) {
  matmul(dm, v, w1.transpose());
  rated_gates(m, dg, dh, g, h, dm, rate0, rate1, rate2);
}

void gelu_product(Tensor y, Tensor u, const Tensor& x, const Tensor& w) {
  matmul(u, x, w.transpose());
  unary(Unary::gelu, y, u);
}

void gelu_grad_product(Tensor du, const Tensor& dy, const Tensor& w, const Tensor& u) {
  matmul(du, dy, w);
  binary(Binary::gelu_grad, du, u, du);
}

}  // namespace lact::kernels::composed
