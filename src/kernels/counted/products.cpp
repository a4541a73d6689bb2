// What products cost: two operations for each multiplication and addition, and each tensor once.
#include "kernels/counted/charge.hpp"
#include "kernels/gated_products.hpp"
#include "kernels/gemm.hpp"

namespace lact::kernels {
namespace {

// `products` of y's shape over the last dim of a.
void charge_products(const char* kernel, const Tensor& y, const Tensor& a, double products, double bytes) {
  charge(y, a.dtype() == DType::bf16 ? Work::bf16_product : Work::product, kernel,
         2 * products * double(y.count()) * double(a.dim(-1)), bytes);
}

const Counted<matmul_add> of_matmul_add = [](const Tensor& y, const Tensor& c, const Tensor& a, const Tensor& b,
                                             const double&, const double& beta) {
  charge_products(a.dtype() == DType::bf16 ? "matmul bf16" : "matmul", y, a, 1,
                  bytes_of({&a, &b, &y}) + (beta == 0 ? 0 : bytes_of(c)));
};

const Counted<swiglu_products> of_swiglu_products = [](const Tensor& m, const Tensor& g, const Tensor& h,
                                                       const Tensor& x, const Tensor& w0, const Tensor& w2) {
  charge_products("swiglu_products", m, x, 2, bytes_of({&m, &g, &h, &x, &w0, &w2}));
};

const Counted<swiglu_grad_product> of_swiglu_grad_product = [](const Tensor& dg, const Tensor& dh, const Tensor& dy,
                                                               const Tensor& w1, const Tensor& g, const Tensor& h) {
  charge_products("swiglu_grad_product", dg, dy, 1, bytes_of({&dg, &dh, &dy, &w1, &g, &h}));
};

const Counted<rated_gates_product> of_rated_gates_product = [](const RatedGatesProduct& t) {
  charge_products("rated_gates_product", t.m, t.v, 1, bytes_of(t));
};

const Counted<gelu_product> of_gelu_product = [](const Tensor& y, const Tensor& u, const Tensor& x, const Tensor& w) {
  charge_products("gelu_product", y, x, 1, bytes_of({&y, &u, &x, &w}));
};

const Counted<gelu_grad_product> of_gelu_grad_product = [](const Tensor& du, const Tensor& dy, const Tensor& w,
                                                           const Tensor& u) {
  charge_products("gelu_grad_product", du, dy, 1, bytes_of({&du, &dy, &w, &u}));
};

}  // namespace
}  // namespace lact::kernels
