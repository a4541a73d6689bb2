#include "layers/recurrent/delta_net.hpp"

#include <cmath>

#include "base/check.hpp"
#include "layers/recurrent/linear_attention.hpp"
#include "layers/recurrent/shared_sequence.hpp"

namespace lact {

void DeltaNetConfig::fields(Fields& f) {
  f("num_heads", num_heads, "heads");
  f("expand_k", expand_k, "width of the keys, as a multiple of the model's");
  f("expand_v", expand_v, "width of the values, as a multiple of the model's");
  f("conv_size", conv_size, "tokens that the convolutions of queries, keys and values see");
  f("norm_eps", norm_eps, "epsilon of the norm of each head's output");
}

namespace {

constexpr double unit_eps = 1e-6;  // under the root, as in the original

// x / sqrt(|x|^2 + eps): the root mean square without its mean.
Var unit_rows(const Var& x) {
  const auto d = double(x.dim(-1));
  return scale(rms_norm(x, {}, unit_eps / d), 1 / std::sqrt(d));
}

}  // namespace

void DeltaNetConfig::check_values(std::int64_t dim) const {
  keys_of(dim, *this);
  values_of(dim, *this);
  check(conv_size > 0, "conv_size={} is no number of tokens", conv_size);
}

DeltaNet::DeltaNet(Scope s, std::int64_t dim, const DeltaNetConfig& cfg, InitScale init)
    : heads_(heads_of_rank(cfg.num_heads, s.tp(), "DeltaNet")),
      q_proj_(s / "q_proj", dim, keys_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      k_proj_(s / "k_proj", dim, keys_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      v_proj_(s / "v_proj", dim, values_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      q_conv1d_(s / "q_conv1d", keys_of(dim, cfg), cfg.conv_size, false, true),
      k_conv1d_(s / "k_conv1d", keys_of(dim, cfg), cfg.conv_size, false, true),
      v_conv1d_(s / "v_conv1d", values_of(dim, cfg), cfg.conv_size, false, true),
      b_proj_(s / "b_proj", dim, cfg.num_heads, gaussian(init.linear), false, LinearSplit::columns),
      o_norm_(s / "o_norm", values_of(dim, cfg) / cfg.num_heads, cfg.norm_eps),
      o_proj_(s / "o_proj", values_of(dim, cfg), dim, gaussian(init.projection), false, LinearSplit::rows) {
  cfg.check_values(dim);
}

Var DeltaNet::operator()(Ctx& c, const Var& rows, const TokenLayout& tokens, DeltaNetState* state) const {
  const Var x = whole_sequence(c, rows, tokens);
  auto inputs = [state](Var DeltaNetState::*which) { return state != nullptr ? &(state->*which) : nullptr; };
  auto heads = [&](const Var& y) { return by_head(y, heads_); };
  const Var q = unit_rows(widened(heads(silu(q_conv1d_(c, q_proj_(c, x), inputs(&DeltaNetState::q_inputs))))));
  const Var k = unit_rows(widened(heads(silu(k_conv1d_(c, k_proj_(c, x), inputs(&DeltaNetState::k_inputs))))));
  const Var v = heads(silu(v_conv1d_(c, v_proj_(c, x), inputs(&DeltaNetState::v_inputs))));
  const Var rate = sigmoid(widened(b_proj_(c, x)));
  const Recurrence r =
      delta_rule(q, k, v, rate, 1 / std::sqrt(double(q.dim(3))), state != nullptr ? state->memory : Var());
  if (state != nullptr) state->memory = r.state;
  const Var o = cast(heads_joined(o_norm_(c, r.o)), rows.value().dtype());
  return scatter_tokens(c, o_proj_(c, gather_rows(o, tokens.mine())));
}

}  // namespace lact
