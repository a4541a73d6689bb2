#include "layers/mlp.hpp"

namespace lact {

Mlp::Mlp(Scope s, std::int64_t dim, double inter_multi, bool bias, InitScale init)
    : c_fc_(s / "c_fc", dim, std::int64_t(double(dim) * inter_multi), gaussian(init.linear), bias,
            LinearSplit::columns),
      c_proj_(s / "c_proj", std::int64_t(double(dim) * inter_multi), dim, gaussian(init.projection), bias,
              LinearSplit::rows) {}

Var Mlp::operator()(Ctx& c, const Var& x, const TokenLayout& tokens) const {
  Var all = gather_tokens(c, x, tokens.held());
  return scatter_tokens(
      c, c_fc_.biased() ? c_proj_(c, gelu(c_fc_(c, all))) : gelu_network(all, c_fc_.weight(c), c_proj_.weight(c)));
}

GatedMlp::GatedMlp(Scope s, std::int64_t dim, std::int64_t hidden, double deviation)
    : gate_proj_(s / "gate_proj", dim, hidden, gaussian(deviation), false, LinearSplit::columns),
      up_proj_(s / "up_proj", dim, hidden, gaussian(deviation), false, LinearSplit::columns),
      down_proj_(s / "down_proj", hidden, dim, gaussian(deviation), false, LinearSplit::rows) {}

Var GatedMlp::operator()(Ctx& c, const Var& x, const TokenLayout& tokens) const {
  const Var all = gather_tokens(c, x, tokens.held());
  return scatter_tokens(c, down_proj_(c, swiglu(gate_proj_(c, all), up_proj_(c, all))));
}

}  // namespace lact
