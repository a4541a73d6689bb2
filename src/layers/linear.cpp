#include "layers/linear.hpp"

namespace lact {
namespace {

std::optional<TpSplit> weight_split(LinearSplit split, std::int64_t in, std::int64_t out, std::int64_t blocks) {
  if (split == LinearSplit::columns) return TpSplit{blocks, out / blocks, in};
  if (split == LinearSplit::rows) return TpSplit{out, in, 1};
  return {};
}
std::optional<TpSplit> bias_split(LinearSplit split, std::int64_t out, std::int64_t blocks) {
  if (split == LinearSplit::columns) return TpSplit{blocks, out / blocks, 1};
  return {};
}

}  // namespace

Linear::Linear(Scope s, std::int64_t in, std::int64_t out, Init weight, bool bias, LinearSplit split,
               std::int64_t blocks)
    : weight_(s.parameter("weight", {out, in}, std::move(weight), weight_split(split, in, out, blocks))),
      bias_(bias ? &s.parameter("bias", {out}, constant(0), bias_split(split, out, blocks)) : nullptr),
      partial_(split == LinearSplit::rows && s.tp() > 1) {}

Var Linear::operator()(Ctx& c, const Var& x) const {
  Var w = use(c, weight_), b = bias_ ? use(c, *bias_) : Var();
  return linear(x, w, partial_ && b ? scale(b, c.mesh.at(Axis::tp) == 0 ? 1 : 0) : b);
}

}  // namespace lact
