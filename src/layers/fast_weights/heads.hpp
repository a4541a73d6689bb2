// Between a layer's tokens and the heads of its fast weights: what every fast-weight layer needs.
#pragma once
#include "autograd/tape.hpp"

namespace lact {

double inverse_softplus(double a);                   // log(e^a - 1)
Var fold_heads(const Var& x);                        // [b, h, t, d] -> [b * h, t, d]
Var unfold_heads(const Var& x, std::int64_t batch);  // its inverse
Var tiled(const Var& w, std::int64_t batch);         // [h, m, n] -> [batch * h, m, n], item b * h + head

}  // namespace lact
