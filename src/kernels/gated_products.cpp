// Products and what follows them as kernels of their own. matmul checks how the product's shapes fit, the element-wise
// kernels all else.
#include "kernels/gated_products.hpp"

#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"

namespace lact::kernels {
namespace {

const InParts<swiglu_products> swiglu_products_in_parts = [](Tensor m, Tensor g, Tensor h, const Tensor& x,
                                                             const Tensor& w0, const Tensor& w2) {
  matmul(g, x, w0);
  matmul(h, x, w2);
  swiglu(m, g, h);
};

const InParts<swiglu_grad_product> swiglu_grad_product_in_parts =
    [](Tensor dg, Tensor dh, const Tensor& dy, const Tensor& w1, const Tensor& g, const Tensor& h) {
      matmul(dg, dy, w1.transpose());  // dm, where dg will stand
      swiglu_grad(dg, dh, g, h, dg);
    };

const InParts<rated_gates_product> rated_gates_product_in_parts = [](const RatedGatesProduct& t) {
  matmul(t.dm, t.v, t.w1.transpose());
  rated_gates({.m = t.m, .dg = t.dg, .dh = t.dh, .g = t.g, .h = t.h, .dm = t.dm, .rates = t.rates});
};

const InParts<gelu_product> gelu_product_in_parts = [](Tensor y, Tensor u, const Tensor& x, const Tensor& w) {
  matmul(u, x, w.transpose());
  unary(Unary::gelu, y, u);
};

const InParts<gelu_grad_product> gelu_grad_product_in_parts = [](Tensor du, const Tensor& dy, const Tensor& w,
                                                                 const Tensor& u) {
  matmul(du, dy, w);
  binary(Binary::gelu_grad, du, u, du);
};

}  // namespace
}  // namespace lact::kernels
