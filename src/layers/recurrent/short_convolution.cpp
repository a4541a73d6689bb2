#include "layers/recurrent/short_convolution.hpp"

#include "base/check.hpp"

namespace lact {
namespace {

Init within(std::int64_t taps) {
  check(taps > 0, "a convolution of {} taps", taps);
  return torch_linear(taps);
}
std::optional<TpSplit> by_channels(bool split, std::int64_t channels, std::int64_t taps) {
  if (split) return TpSplit{1, channels, taps};
  return {};
}

}  // namespace

ShortConvolution::ShortConvolution(Scope s, std::int64_t channels, std::int64_t taps, bool bias, bool split_over_tp)
    : weight_(s.parameter("weight", {channels, 1, taps}, within(taps), by_channels(split_over_tp, channels, taps))),
      bias_(bias ? &s.parameter("bias", {channels}, within(taps), by_channels(split_over_tp, channels, 1)) : nullptr) {}

Var ShortConvolution::operator()(Ctx& c, const Var& x, Var* inputs) const {
  const std::int64_t taps = weight_.shape[2], t = x.dim(1);
  const Var w = use(c, weight_);
  auto convolved = [&](const Var& y) {
    return causal_convolution(y, view(w, {w.dim(0), taps}), bias_ ? use(c, *bias_) : Var());
  };
  if (inputs == nullptr) return convolved(x);
  const Shape kept{x.dim(0), taps, x.dim(2)};
  if (*inputs)
    check(inputs->shape() == kept, "a convolution goes on from inputs {}, not {}", text_of(kept),
          text_of(inputs->shape()));
  else
    *inputs = Tensor::zeros(x.value().device(), kept, x.value().dtype());
  const Var all = join({*inputs, x}, 1);
  *inputs = cut(all, 1, {t, t + taps});
  return cut(convolved(all), 1, {taps, taps + t});
}

Var NormedConvolution::operator()(Ctx& c, const Var& x, const TokenLayout& tokens, Var* inputs) const {
  return gather_rows(conv_(c, whole_sequence(c, norm_(c, x), tokens), inputs), tokens.rows());
}

}  // namespace lact
