// The optimizer's arithmetic on a flat shard of the parameters, and the decision whether a step is made at all. The
// decision is taken on the device and stays there, so that the host need not wait for the loss.
#pragma once
#include "kernels/functors.hpp"
#include "kernels/kernel.hpp"

namespace lact::kernels {

enum class LeftOut : std::uint8_t { no, loss_not_finite, norm_not_finite, large_norm };  // why a step is skipped

struct Verdict {                      // on a step; five doubles, kept in a tensor f64 [5]
  double steps = 0;                   // Adam steps made so far, this one included
  double gradient_scale = 1;          // from clipping: what every gradient is multiplied with
  double inverse1 = 1, inverse2 = 1;  // 1 / (1 - beta^steps)
  double left_out = 0;                // a LeftOut as a number
};
struct Limits {
  double clip = 0;       // gradients of a larger norm are scaled down to it; 0: never
  double skip_norm = 0;  // a step whose gradients have a larger norm is skipped; 0: never
  double beta1 = 0.9, beta2 = 0.95;
};
// Replaces the last step's verdict by the next one. sums f64 [2 or more]: the global loss, the squared norm of the
// gradients.
inline constinit Kernel<void(Tensor verdict, const Tensor& sums, const Limits& limits)> judge{"judge"};

struct AdamW {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, decay = 0;
};
// In this order (Loshchilov & Hutter 2019, decoupled): p *= 1 - rate decay; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2)
// g^2; p -= rate (m / (1 - b1^steps)) / (sqrt(v / (1 - b2^steps)) + eps). Nothing where the step is left out. All
// contiguous, f32 (or f64), one shape. rate: f64 [1], on the device, because it changes from step to step.
inline constinit Kernel<void(Tensor p, Tensor m, Tensor v, const Tensor& g, const Tensor& verdict, const Tensor& rate,
                             const AdamW& a)>
    adamw{"adamw"};

namespace scalar {

LACT_BOTH bool finite(double x) { return x - x == 0; }

// Scale of the gradients for a global L2 norm: min(1, most / (norm + 1e-6)); 1 without a limit (most <= 0).
LACT_BOTH double clip_scale(double norm, double most) {
  const double scale = most / (norm + 1e-6);
  return most > 0 && scale < 1 ? scale : 1;
}

LACT_BOTH void judge(Verdict& v, double loss, double squares, const Limits& l) {
  const double norm = sqrt(squares);
  const LeftOut why = !finite(loss)                           ? LeftOut::loss_not_finite
                      : !finite(norm)                         ? LeftOut::norm_not_finite
                      : l.skip_norm > 0 && norm > l.skip_norm ? LeftOut::large_norm
                                                              : LeftOut::no;
  v.left_out = double(why);
  if (why != LeftOut::no) return;
  v.steps += 1;
  v.gradient_scale = clip_scale(norm, l.clip);
  v.inverse1 = 1 / (1 - ::pow(l.beta1, v.steps));
  v.inverse2 = 1 / (1 - ::pow(l.beta2, v.steps));
}

// The numbers of one step in the type it is computed in.
template <class T>
LACT_BOTH AdamWStep<T> step_of(const AdamW& a, const Verdict& v, double rate) {
  return {T(1 - rate * a.decay), T(a.beta1),    T(a.beta2), T(v.gradient_scale), T(rate),
          T(v.inverse1),         T(v.inverse2), T(a.eps)};
}

}  // namespace scalar
}  // namespace lact::kernels
