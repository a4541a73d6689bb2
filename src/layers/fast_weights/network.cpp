#include "layers/fast_weights/network.hpp"

#include <algorithm>

#include "autograd/ops.hpp"

namespace lact {

Var apply_fast_weights(const FastWeights& w, const Var& x) { return glu_network(x, w.w0, w.w1, w.w2); }

FastWeights inner_gradient(const FastWeights& w, const Var& k, const Var& v, const Var& rate0, const Var& rate1,
                           const Var& rate2) {
  const std::vector<Var> g = rated_glu_grad(k, v, w.w0, w.w1, w.w2, rate0, rate1, rate2);
  return {g[0], g[1], g[2]};
}

Flops fast_weight_flops(double updated, double applied, double orthogonalised, double d, double dh, double steps) {
  const double small = std::min(d, dh), large = std::max(d, dh);
  Flops f;
  f.update = 12 * updated * d * dh;  // two forward, one backward, three gradient products
  f.apply = 6 * applied * d * dh;
  f.newton_schulz = orthogonalised * 3 * steps * (4 * small * small * large + 2 * small * small * small);
  return f;
}

}  // namespace lact
