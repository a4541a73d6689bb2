#include "autograd/broadcast.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/convolution.hpp"

namespace lact {
namespace {

Var by_taps(std::span<const Var> in) {  // x, w, and the bias where there is one
  const Var &x = in[0], &w = in[1];
  const std::int64_t t = x.dim(1), k = w.dim(1);
  const Var from_start = pad(x, 1, {k - 1, k - 1 + t}, k - 1 + t);
  Var y;
  for (std::int64_t j = 0; j < k; ++j) {
    const Var tap = mul(cut(from_start, 1, {j, j + t}), view(cut(w, 1, {j, j + 1}), {w.dim(0)}));
    y = y ? add(y, tap) : tap;
  }
  return in.size() > 2 ? add(y, cast(in[2], y.value().dtype())) : y;
}

}  // namespace

Var causal_convolution(const Var& x, const Var& w, const Var& bias) {
  check(x.shape().size() == 3 && w.shape().size() == 2 && w.dim(0) == x.dim(2) && w.dim(1) > 0,
        "a convolution of weights {} was given {}", text_of(w.shape()), text_of(x.shape()));
  const Tensor xv = dense_rows(x.value()), wv = dense(w.value()), bv = bias ? dense(bias.value()) : Tensor(),
               y = like(xv);
  kernels::causal_convolution(y, xv, wv, bv);
  auto fast = [xv, wv, biased = bool(bias)](const Var& dy) {
    const Tensor dx = like(xv), dw = like(wv), dbias = biased ? like(wv, {wv.dim(0)}) : Tensor();
    kernels::causal_convolution_grad({.dx = dx, .dw = dw, .dbias = dbias, .dy = dense(dy.value()), .x = xv, .w = wv});
    return biased ? Grads{dx, dw, dbias} : Grads{dx, dw};
  };
  std::vector<Var> in{x, w};
  if (bias) in.push_back(bias);
  return fused("causal_convolution", y, in, fast, by_taps);
}

}  // namespace lact
