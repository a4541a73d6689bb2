// Between a layer's tokens and the heads of its fast weights: what every fast-weight layer needs.
#pragma once
#include <vector>

#include "autograd/tape.hpp"

namespace lact {

double inverse_softplus(double a);                   // log(e^a - 1)
Var fold_heads(const Var& x);                        // [b, h, t, d] -> [b * h, t, d]
Var unfold_heads(const Var& x, std::int64_t batch);  // its inverse
Var tiled(const Var& w, std::int64_t batch);         // [h, m, n] -> [batch * h, m, n], item b * h + head

// Rates [b, t, 3 h] with channels (head, which) -> those of W0, W1 and W2, [b * h, t, 1] each.
std::vector<Var> rates_of_heads(const Var& rates, std::int64_t heads);
// x times a column of `scale` plus the same column of `offset`; x [b, t, channels], both [channels, 2].
Var scaled_and_shifted(const Var& x, const Var& scale, const Var& offset, std::int64_t column);

}  // namespace lact
