// The optimizer's arithmetic on a flat shard.
#pragma once
#include <cmath>

#include "kernels/functors.hpp"
#include "tensor/tensor.hpp"

namespace lact::kernels {

struct AdamW {
  double rate = 1e-4, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, decay = 0;
  double gradient_scale = 1;  // clipping; multiplies the gradient first
  std::int64_t step = 1;      // counts from 1
};
// In this order (Loshchilov & Hutter 2019, decoupled): p *= 1 - rate decay; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2)
// g^2; p -= rate (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + eps). All contiguous, f32 (or f64), one shape.
void adamw(Tensor p, Tensor m, Tensor v, const Tensor& g, const AdamW& a);

// The numbers of one step in the type it is computed in.
template <class T>
scalar::AdamWStep<T> step_of(const AdamW& a) {
  return {T(1 - a.rate * a.decay),
          T(a.beta1),
          T(a.beta2),
          T(a.gradient_scale),
          T(a.rate),
          T(1 / (1 - std::pow(a.beta1, double(a.step)))),
          T(1 / (1 - std::pow(a.beta2, double(a.step)))),
          T(a.eps)};
}

}  // namespace lact::kernels
