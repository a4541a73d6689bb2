#include "layers/recurrent/short_convolution.hpp"

#include <cmath>

#include "base/check.hpp"

namespace lact {
namespace {

Init within(std::int64_t taps) {
  check(taps > 0, "a convolution of {} taps", taps);
  return uniform_within(1 / std::sqrt(double(taps)));
}
std::optional<TpSplit> by_channels(bool split, std::int64_t channels, std::int64_t taps) {
  if (split) return TpSplit{1, channels, taps};
  return {};
}

}  // namespace

ShortConvolution::ShortConvolution(Scope s, std::int64_t channels, std::int64_t taps, bool bias, bool split_over_tp)
    : weight_(s.parameter("weight", {channels, 1, taps}, within(taps), by_channels(split_over_tp, channels, taps))),
      bias_(bias ? &s.parameter("bias", {channels}, within(taps), by_channels(split_over_tp, channels, 1)) : nullptr) {}

Var ShortConvolution::operator()(Ctx& c, const Var& x) const {
  const Var w = use(c, weight_);
  return causal_convolution(x, view(w, {w.dim(0), w.dim(2)}), bias_ ? use(c, *bias_) : Var());
}

Var ShortConvolution::operator()(Ctx& c, const Var& x, Var& inputs) const {
  const std::int64_t taps = weight_.shape[2], t = x.dim(1);
  const Shape kept{x.dim(0), taps, x.dim(2)};
  if (inputs)
    check(inputs.shape() == kept, "a convolution goes on from inputs {}, not {}", text_of(kept),
          text_of(inputs.shape()));
  else
    inputs = Tensor::zeros(x.value().device(), kept, x.value().dtype());
  const Var all = join({inputs, x}, 1);
  inputs = cut(all, 1, {t, t + taps});
  return cut((*this)(c, all), 1, {taps, taps + t});
}

}  // namespace lact
