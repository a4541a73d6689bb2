#include "layers/fast_weights/heads.hpp"

#include <array>
#include <cmath>

#include "autograd/ops.hpp"

namespace lact {

double inverse_softplus(double a) { return a + std::log(-std::expm1(-a)); }

Var fold_heads(const Var& x) { return view(x, {x.dim(0) * x.dim(1), x.dim(2), x.dim(3)}); }

Var unfold_heads(const Var& x, std::int64_t batch) { return view(x, {batch, x.dim(0) / batch, x.dim(1), x.dim(2)}); }

Var tiled(const Var& w, std::int64_t batch) {
  if (batch == 1) return w;
  return fold_heads(expand(view(w, {1, w.dim(0), w.dim(1), w.dim(2)}), {batch, w.dim(0), w.dim(1), w.dim(2)}));
}

std::vector<Var> rates_of_heads(const Var& rates, std::int64_t heads) {
  constexpr std::array<std::int64_t, 3> each{1, 1, 1};
  return pieces(fold_heads(split_heads(rates, 1, heads)[0]), 2, each);
}

Var scaled_and_shifted(const Var& x, const Var& scale, const Var& offset, std::int64_t column) {
  auto of = [&](const Var& p) { return cast(view(cut(p, 1, {column, column + 1}), {p.dim(0)}), x.value().dtype()); };
  return add(mul(x, of(scale)), of(offset));
}

}  // namespace lact
