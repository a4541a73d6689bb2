// The fast-weight network f_W(x) = (silu(x W0) * (x W2)) W1 and its inner gradient (docs/math.md, 4.1 to
// 4.3). B = batch x heads, d = head dim, dh = hidden width.
#pragma once
#include "layers/model.hpp"

namespace lact {

struct FastWeights {
  Var w0, w1, w2;  // [B, d, dh], [B, dh, d], [B, d, dh]: row vectors times matrices
};

struct FastWeightTokens {   // what the tokens of a sequence bring
  Var q, k, v;              // [B, L, d]
  Var rate0, rate1, rate2;  // [B, L, 1]: learned rate of each token for W0, W1, W2
  Var momentum;             // [B, L, 1] in (0, 1), or empty
};

Var apply_fast_weights(const FastWeights& w, const Var& x);
// G = the descent direction of -<f_W(k), v> summed over tokens weighted by their rates, for W0, W1, W2.
FastWeights inner_gradient(const FastWeights& w, const Var& k, const Var& v, const Var& rate0, const Var& rate1,
                           const Var& rate2);

// update, apply and newton_schulz of a forward pass: tokens of single heads that update and that are applied to, and
// how often the three matrices of a head [d, dh] are orthogonalised, in so many steps.
Flops fast_weight_flops(double updated, double applied, double orthogonalised, double d, double dh, double steps);

}  // namespace lact
