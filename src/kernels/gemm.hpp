// Strided batched matrix product.
#pragma once
#include <string>

#include "kernels/kernel.hpp"

namespace lact::kernels {

// y = alpha a b + beta c for every batch item: a [..., m, k], b [..., k, n], y [..., m, n], equal leading dims; c has
// y's shape, type and strides and may be y. Transposes are views: of the last two strides of a and of b one must be 1
// (or its dim 1); y's last stride must be 1. Types: all f32, or all f64, or a and b bf16 with y f32 or bf16 (sums in
// f32). k = 0 writes beta c, zeros for beta = 0. On the CPU f32 and bf16 run through oneDNN; f64 is a blocked loop in
// fixed order and the judge of the others.
inline constinit Kernel<void(Tensor y, const Tensor& c, const Tensor& a, const Tensor& b, double alpha, double beta)>
    matmul_add{"matmul"};

// y = alpha a b + beta y.
inline void matmul(const Tensor& y, const Tensor& a, const Tensor& b, double alpha = 1, double beta = 0) {
  matmul_add(y, y, a, b, alpha, beta);
}

std::string product_library();  // of f32 and bf16 on the CPU: "oneDNN 2.6.3"

}  // namespace lact::kernels
