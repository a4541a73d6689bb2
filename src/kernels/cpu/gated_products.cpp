// The CPU has no kernels that join a product with what follows it.
#include "kernels/cpu/cpu.hpp"

namespace lact::kernels::cpu {

void swiglu_products(Tensor m, Tensor g, Tensor h, const Tensor& x, const Tensor& w0, const Tensor& w2) {
  composed::swiglu_products(m, g, h, x, w0, w2);
}
void swiglu_grad_product(Tensor dg, Tensor dh, const Tensor& dy, const Tensor& w1, const Tensor& g, const Tensor& h) {
  composed::swiglu_grad_product(dg, dh, dy, w1, g, h);
}
void rated_gates_product(Tensor m, Tensor dg, Tensor dh, Tensor dm, const Tensor& v, const Tensor& w1, const Tensor& g,
                         const Tensor& h, const Tensor& rate0, const Tensor& rate1, const Tensor& rate2) {
  composed::rated_gates_product(m, dg, dh, dm, v, w1, g, h, rate0, rate1, rate2);
}
void gelu_product(Tensor y, Tensor u, const Tensor& x, const Tensor& w) { composed::gelu_product(y, u, x, w); }
void gelu_grad_product(Tensor du, const Tensor& dy, const Tensor& w, const Tensor& u) {
  composed::gelu_grad_product(du, dy, w, u);
}

}  // namespace lact::kernels::cpu
