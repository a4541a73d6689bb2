// The machine that runs a plan of updates and applications on fast weights, whose tokens, heads or hidden width may lie
// on several ranks.
#pragma once
#include <functional>
#include <optional>

#include "layers/fast_weights/network.hpp"
#include "layers/fast_weights/newton_schulz.hpp"
#include "layers/token_cut.hpp"

namespace lact {

struct FastWeightRule {
  std::optional<NewtonSchulz> orthogonalise;  // none: the raw gradient is added
  bool detach_targets = true;                 // no gradient through the norms that the columns keep
  // The published minimal layer with Muon sets W = NS(G) + G, so that the first weights only matter through G and the
  // norms.
  bool forget_weights = false;
  double eps = 1e-5;
};

struct FastWeightRun {
  Var out;  // the applied ranges joined along the tokens in plan order [B, sum of sizes, d]; empty if nothing was
            // applied
  FastWeights state;  // after the last event
};

struct FastWeightCut {               // how the work of a layer lies on ranks; by default it is not cut
  const TokenCut* tokens = nullptr;  // cp: x are the tokens of this rank; none: x is the whole sequence
  bool by_heads = false;  // cp, mode heads: each rank brings the tokens of its part of B together; else G is summed
  bool hidden = false;    // tp: W0 and W2 hold columns, W1 rows, and `out` is this rank's part of a sum over tp
};

// All that tokens bring, through `travel` ([B, rows, width] -> [., ., width]): side by side, in as few pieces as there
// are types. In f32 that is one; bf16 q, k and v are one and their f32 rates another, since neither may take the
// other's.
FastWeightTokens travelled(const FastWeightTokens& x, const std::function<Var(const Var&)>& travel);

// Events in order with a running state. The columns keep the norms of the weights passed in. The plan speaks of the
// whole sequence; `out` has the rows of this rank's tokens.
FastWeightRun run_fast_weights(Ctx& c, const FastWeights& initial, const FastWeightTokens& x, const TttPlan& plan,
                               const FastWeightRule& rule, const FastWeightCut& cut = {});
// Mode heads: q, k, v and rates travel to the ranks that own their heads, the outputs travel back, and nothing is
// summed. Less to move where chunks are short: token rows instead of matrices. Any number of heads: the shares differ
// by at most one, and a rank may own none.
FastWeightRun run_fast_weights_by_heads(Ctx& c, const FastWeights& initial, const FastWeightTokens& x,
                                        const TttPlan& plan, const FastWeightRule& rule, const FastWeightCut& cut);

}  // namespace lact
