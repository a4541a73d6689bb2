#include "layers/fast_weights/mini_batch/inner_model.hpp"

#include "kernels/pointwise.hpp"

namespace lact {

Var with_one(const Var& x) {
  const Tensor one = like(x.value(), {x.dim(0), x.dim(1), 1});
  kernels::fill(one, 1);
  return join({x, one}, 2);
}

Var second_map(const InnerWeights& w, const Var& hidden) { return add(matmul(hidden, w.w2), w.b2); }

InnerGradients inner_gradients(const InnerWeights& w, const InnerNorm& norm, const Var& keys, const Var& target,
                               const Var& rated, const Var& rate) {
  auto gradient = [&](const Var& z) { return reconstruction_grad(z, target, norm.weight, norm.bias, norm.eps); };
  const Var z1 = matmul(keys, w.w1);
  if (!w.hidden()) return {rated, gradient(z1), {}, {}, {}};
  const Var hidden = gelu_tanh(z1), g2 = gradient(second_map(w, hidden));
  const Var g1 = gelu_tanh_grad(z1, matmul(g2, w.w2, Orient::nt));
  return {rated, g1, hidden, g2, mul(g2, rate)};
}

InnerWeights summed(const InnerGradients& g, const InnerWeights& before) {
  auto product = [](const Var& sum, const Var& left, const Var& right) {
    return sum ? matmul_add(sum, 1, left, right, 1, Orient::tn) : matmul(left, right, Orient::tn);
  };
  InnerWeights sums{product(before.w1, g.rated, g.g1), {}, {}};
  if (!g.hidden) return sums;
  sums.w2 = product(before.w2, g.hidden, g.rated_g2);
  const Var rows = sum_to(g.rated_g2, {g.rated_g2.dim(0), 1, g.rated_g2.dim(2)});
  sums.b2 = before.b2 ? add(before.b2, rows) : rows;
  return sums;
}

InnerWeights descended(const InnerWeights& w, const InnerGradients& g) {
  InnerWeights next{matmul_add(w.w1, 1, g.rated, g.g1, -1, Orient::tn), {}, {}};
  if (!g.hidden) return next;
  next.w2 = matmul_add(w.w2, 1, g.hidden, g.rated_g2, -1, Orient::tn);
  next.b2 = sub(w.b2, sum_to(g.rated_g2, w.b2.shape()));
  return next;
}

InnerWeights moved(const InnerWeights& w, const InnerWeights& sums, const Var& amount) {
  auto step = [&](const Var& from, const Var& sum) { return from ? sub(from, mul(sum, amount)) : Var(); };
  return {step(w.w1, sums.w1), step(w.w2, sums.w2), step(w.b2, sums.b2)};
}

Var inner_output(const InnerWeights& w, const InnerWeights& sums, const Var& amount, const Var& query) {
  const Var z1 = sub(matmul(query, w.w1), mul(matmul(query, sums.w1), amount));
  if (!w.hidden()) return z1;
  const Var hidden = gelu_tanh(z1);
  return sub(second_map(w, hidden), mul(second_map(sums, hidden), amount));
}

}  // namespace lact
