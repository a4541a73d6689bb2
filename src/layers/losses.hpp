// Losses over rows of logits (docs/math.md, 6.1).
#pragma once
#include "autograd/ops.hpp"
#include "parallel/communicator.hpp"

namespace lact {

struct CrossEntropy {
  Var loss;                     // [1]: nll + z mean(lse^2)
  Var negative_log_likelihood;  // [1]: mean(lse - logits[target])
  Var mean_square_lse;          // [1]
  Var log_sum_exp;              // [rows]
};
// logits [rows, n], targets i32 [rows]; rows with a negative target are ignored. `valid` is the global count of kept
// rows.
CrossEntropy cross_entropy(const Var& logits, const Tensor& targets, double valid, double z = 0);

// The same where tp splits the classes: logits [rows, n / tp] of all rows, `first` the first class of this rank. The
// result is this rank's part of the loss: over tp the parts add up to it. Collective.
Var split_cross_entropy(const Var& logits, const Tensor& targets, std::int64_t first, double valid, double z,
                        Communicator& tp);

}  // namespace lact
