#include "layers/losses.hpp"

#include "base/check.hpp"
#include "kernels/softmax.hpp"

namespace lact {

CrossEntropy cross_entropy(const Var& logits, const Tensor& targets, double valid, double z) {
  check(logits.dim(0) == targets.dim(0), "{} rows of logits and {} targets", logits.dim(0), targets.dim(0));
  Tensor kept = like(logits.value(), targets.shape());
  if (targets.device().backend() == Backend::cpu)  // on a GPU the loss becomes NaN: the host does not wait to look
    for (double t : targets.to_doubles())
      check(t < double(logits.dim(1)), "target {} of {} classes", std::int64_t(t), logits.dim(1));
  kernels::has_index(kept, targets);
  Var lse = log_sum_exp(logits), kept_lse = mul(lse, kept);
  CrossEntropy out;
  out.log_sum_exp = lse;
  out.negative_log_likelihood = scale(sum(sub(kept_lse, pick(logits, targets))), 1 / valid);
  out.mean_square_lse = scale(sum(square(kept_lse)), 1 / valid);
  out.loss = z == 0 ? out.negative_log_likelihood : add(out.negative_log_likelihood, scale(out.mean_square_lse, z));
  return out;
}

}  // namespace lact
