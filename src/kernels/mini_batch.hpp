// What fast weights that learn in mini-batches of tokens need beside products (docs/math.md, 14). f32 and f64.
#pragma once
#include "kernels/kernel.hpp"

namespace lact::kernels {

// The gradient by z of |w u + b - target|^2 / 2, u the layer norm of a row of z. With r = 1 / sqrt(var(z) + eps),
// u = (z - mean(z)) r, a = w (w u + b - target):
//   dz = r (a - mean(a) - u mean(a u))
// Rows z, target, dz [B, t, n] are views whose last stride is 1; w, b [B, 1, n] are contiguous.
struct ReconstructionGrad {
  const Tensor& dz;
  const Tensor &z, &target, &w, &b;
  double eps;
  auto tensors() const { return std::array{&dz, &z, &target, &w, &b}; }
};
inline constinit Kernel<void(const ReconstructionGrad& t)> reconstruction_grad{"reconstruction_grad"};

// Its adjoint: the cotangent c = dz_bar of dz comes in. With P(x) = x - mean(x) - u mean(x u) and e = r P(c):
//   u_bar = w^2 e - r (c mean(a u) + a mean(c u)),  z_bar = r P(u_bar) - u r mean(c dz)
//   target_bar = -w e,  w_rows = e (2 w u + b - target)
// The gradients of w and b are sums over the rows of an item: of w_rows, and of -target_bar.
struct ReconstructionGradGrad {
  const Tensor &z_bar, &target_bar, &w_rows;
  const Tensor& dz_bar;
  const Tensor &z, &target, &w, &b;
  double eps;
  auto tensors() const { return std::array{&z_bar, &target_bar, &w_rows, &dz_bar, &z, &target, &w, &b}; }
};
inline constinit Kernel<void(const ReconstructionGradGrad& t)> reconstruction_grad_grad{"reconstruction_grad_grad"};

}  // namespace lact::kernels
