// Depth-wise causal convolution along the tokens (docs/math.md, 15.1). f32 and f64, on a GPU bf16 rows beside f32
// weights. Channels c of tokens t of samples b; w [c, k] and bias [c], which may be undefined, are contiguous and of
// x's type, f32 beside bf16. What stands before the first token is zero.
#pragma once
#include "kernels/kernel.hpp"

namespace lact::kernels {

// y[t, c] = bias[c] + sum over j < k of w[c, j] x[t - (k - 1) + j, c]. x [b, t, c] with rows of stride 1, y contiguous.
inline constinit Kernel<void(Tensor y, const Tensor& x, const Tensor& w, const Tensor& bias)> causal_convolution{
    "causal_convolution"};

// Its adjoint. dw and dbias are sums over all tokens in an order that depends on the shape alone; dbias may be
// undefined. dy and dx are contiguous.
struct CausalConvolutionGrad {
  const Tensor &dx, &dw, &dbias;
  const Tensor &dy, &x, &w;
  auto tensors() const { return std::array{&dx, &dw, &dbias, &dy, &x, &w}; }
};
inline constinit Kernel<void(const CausalConvolutionGrad& t)> causal_convolution_grad{"causal_convolution_grad"};

}  // namespace lact::kernels
