// The small networks that TTT-Linear and TTT-MLP (arXiv 2407.04620) train while they run, one for each head of each
// sample, and their gradients in closed form (docs/math.md, 14.2).
#pragma once
#include "autograd/ops.hpp"

namespace lact {

// B = batch x heads, item b * heads + h; f: width of a head. Keys and queries carry a 1 behind their numbers, so the
// last row of w1 is the bias of the first map.
struct InnerWeights {
  Var w1;  // [B, f + 1, f]; in front of a hidden layer [B, f + 1, 4 f]
  Var w2;  // [B, 4 f, f]; empty where there is no hidden layer
  Var b2;  // [B, 1, f], likewise
  bool hidden() const { return bool(w2); }
  explicit operator bool() const { return bool(w1); }
};

Var with_one(const Var& x);  // [B, t, f] -> [B, t, f + 1]

// The norm behind the network, weights [B, 1, f].
struct InnerNorm {
  Var weight, bias;
  double eps = 1e-6;
};

// Gradients by the two maps' outputs of some tokens, and what they are multiplied with: the gradient of w1 is rated^T
// g1, that of w2 is hidden^T rated_g2, that of b2 the sum of rated_g2 over the tokens.
struct InnerGradients {
  Var rated, g1;             // [B, t, f + 1], [B, t, f or 4 f]
  Var hidden, g2, rated_g2;  // [B, t, 4 f], [B, t, f], [B, t, f]: empty without a hidden layer
};
// All at the same weights, each token times its rate: keys [B, t, f + 1], target [B, t, f], rated [B, t, f + 1] = keys
// times their rates [B, t, 1].
InnerGradients inner_gradients(const InnerWeights& w, const InnerNorm& norm, const Var& keys, const Var& target,
                               const Var& rated, const Var& rate);
// The sums over tokens, on top of `before` where there are any, and the weights less those sums.
InnerWeights summed(const InnerGradients& g, const InnerWeights& before = {});
InnerWeights descended(const InnerWeights& w, const InnerGradients& g);
// w - amount sums; amount [1].
InnerWeights moved(const InnerWeights& w, const InnerWeights& sums, const Var& amount);

// The outputs, before the norm, of one token with the weights w - amount sums.
Var inner_output(const InnerWeights& w, const InnerWeights& sums, const Var& amount, const Var& query);
Var second_map(const InnerWeights& w, const Var& hidden);  // hidden w2 + b2

}  // namespace lact
