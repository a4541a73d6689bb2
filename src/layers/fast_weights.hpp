// The fast-weight network f_W(x) = (silu(x W0) * (x W2)) W1, its inner gradient step, and the machine that runs a plan
// of events. Formulas: docs/math.md, 4.1 to 4.7. B = batch x heads, d = head dim, dh = hidden width.
#pragma once
#include <functional>
#include <optional>

#include "layers/model.hpp"
#include "layers/newton_schulz.hpp"
#include "layers/parameters.hpp"
#include "layers/token_cut.hpp"

namespace lact {

struct FastWeights {
  Var w0, w1, w2;  // [B, d, dh], [B, dh, d], [B, d, dh]: row vectors times matrices
};

struct FastWeightTokens {
  Var q, k, v;              // [B, L, d]
  Var rate0, rate1, rate2;  // [B, L, 1]: learned rate of each token for W0, W1, W2
  Var momentum;             // [B, L, 1] in (0, 1), or empty
};

// All that tokens bring, through `travel` ([B, rows, width] -> [., ., width]): side by side, in as few pieces as there
// are types. In f32 that is one; bf16 q, k and v are one and their f32 rates another, since neither may take the
// other's.
FastWeightTokens travelled(const FastWeightTokens& x, const std::function<Var(const Var&)>& travel);

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

// update, apply and newton_schulz of a forward pass: tokens of single heads that update and that are applied to, and
// how often the three matrices of a head [d, dh] are orthogonalised, in so many steps.
Flops fast_weight_flops(double updated, double applied, double orthogonalised, double d, double dh, double steps);

Var apply_fast_weights(const FastWeights& w, const Var& x);
// G = the descent direction of -<f_W(k), v> summed over tokens weighted by their rates, for W0, W1, W2.
FastWeights inner_gradient(const FastWeights& w, const Var& k, const Var& v, const Var& rate0, const Var& rate1,
                           const Var& rate2);
struct FastWeightCut {               // how the work of a layer lies on ranks; by default it is not cut
  const TokenCut* tokens = nullptr;  // cp: x are the tokens of this rank; none: x is the whole sequence
  bool by_heads = false;  // cp, mode heads: each rank brings the tokens of its part of B together; else G is summed
  bool hidden = false;    // tp: W0 and W2 hold columns, W1 rows, and `out` is this rank's part of a sum over tp
};

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
