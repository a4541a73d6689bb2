#include "layers/losses.hpp"

#include "autograd/collectives.hpp"
#include "base/check.hpp"
#include "kernels/softmax.hpp"
#include "kernels/tokens.hpp"
#include "parallel/traffic.hpp"

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

Var split_cross_entropy(const Var& logits, const Tensor& targets, std::int64_t first, double valid, double z,
                        Communicator& tp) {
  const std::int64_t rows = logits.dim(0);
  const Tensor here = like(targets), kept = like(logits.value(), targets.shape());
  kernels::within(here, targets, first, logits.dim(1));
  kernels::has_index(kept, targets);
  // Log-sum-exp over all classes is that of the ranks' own; every rank counts it for a part of the rows.
  const Var all = log_sum_exp(gather(view(log_sum_exp(logits), {rows, 1}), 1, tp));
  const Range own = even_part(rows, tp.rank(), tp.size());
  const Var lse = mul(cut(all, 0, own), Var(kept.cut(0, own)));
  const Var loss = scale(sub(sum(lse), sum(pick(logits, here))), 1 / valid);
  return z == 0 ? loss : add(loss, scale(sum(square(lse)), z / valid));
}

}  // namespace lact
