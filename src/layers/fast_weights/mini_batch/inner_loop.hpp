// The inner loop of TTT-Linear and TTT-MLP in its two forms, which give the same numbers (docs/math.md, 14.3 and 14.4).
// K tokens are a mini-batch: their gradients are all taken at the weights with which the mini-batch starts, and the
// output of a token is that of the weights after its own gradient.
#pragma once
#include "layers/context.hpp"
#include "layers/fast_weights/mini_batch/inner_model.hpp"

namespace lact {

struct MiniBatchTokens {  // f32 or f64, as the fast weights
  Var q, k, v;            // [B, t, f]
  Var rate;               // [B, t, 1]
  MiniBatchTokens part(Range tokens) const;
};

struct MiniBatchRule {
  InnerNorm norm;
  Var position_scale;      // [K]: how much of the sum of gradients counts for the output of each token
  std::int64_t group = 0;  // mini-batches that are computed again in the backward pass together; 0: none is
  std::int64_t size() const { return position_scale.dim(0); }
};

struct MiniBatchState {
  InnerWeights start;       // the weights with which the mini-batch of the last tokens started
  InnerWeights sums;        // of the gradients of its tokens so far; empty, which is zero, at a boundary
  std::int64_t offset = 0;  // tokens before
};

struct MiniBatchRun {
  Var z;  // [B, t, f]: the network's outputs for q, before the norm
  MiniBatchState state;
};

// Products of matrices: for training, and for many tokens. Starts at a boundary between mini-batches.
MiniBatchRun run_dual(Ctx& c, const MiniBatchState& before, const MiniBatchTokens& x, const MiniBatchRule& rule);
// Token by token, from any offset.
MiniBatchRun run_primal(const MiniBatchState& before, const MiniBatchTokens& x, const MiniBatchRule& rule);
// Token by token up to the next boundary, then in products.
MiniBatchRun run_mini_batches(Ctx& c, const MiniBatchState& before, const MiniBatchTokens& x,
                              const MiniBatchRule& rule);

}  // namespace lact
