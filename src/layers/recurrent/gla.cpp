#include "layers/recurrent/gla.hpp"

#include <cmath>

#include "base/check.hpp"
#include "layers/recurrent/linear_attention.hpp"
#include "layers/recurrent/shared_sequence.hpp"

namespace lact {

void GlaConfig::fields(Fields& f) {
  f("num_heads", num_heads, "heads");
  f("expand_k", expand_k, "width of the keys, as a multiple of the model's");
  f("expand_v", expand_v, "width of the values, as a multiple of the model's");
  f("gate_low_rank_dim", gate_low_rank_dim, "hidden width of the map that makes forget gates");
  f("gate_logit_normalizer", gate_logit_normalizer, "what the logarithms of forget gates are divided by");
  f("norm_eps", norm_eps, "epsilon of the norm of each head's output");
}

void GlaConfig::check_values(std::int64_t dim) const {
  keys_of(dim, *this);
  values_of(dim, *this);
  check(gate_low_rank_dim > 0, "gate_low_rank_dim={} is no width", gate_low_rank_dim);
  check(gate_logit_normalizer > 0, "gate_logit_normalizer={} is not positive", gate_logit_normalizer);
}

GatedLinearAttention::GatedLinearAttention(Scope s, std::int64_t dim, const GlaConfig& cfg, InitScale init)
    : cfg_(cfg),
      heads_(heads_of_rank(cfg.num_heads, s.tp(), "gated linear attention")),
      q_proj_(s / "q_proj", dim, keys_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      k_proj_(s / "k_proj", dim, keys_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      v_proj_(s / "v_proj", dim, values_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      g_proj_(s / "g_proj", dim, values_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      gk_down_(s / "gk_proj" / "0", dim, cfg.gate_low_rank_dim, gaussian(init.linear)),
      gk_up_(s / "gk_proj" / "1", cfg.gate_low_rank_dim, keys_of(dim, cfg), gaussian(init.linear), true,
             LinearSplit::columns),
      g_norm_(s / "g_norm", values_of(dim, cfg) / cfg.num_heads, cfg.norm_eps),
      o_proj_(s / "o_proj", values_of(dim, cfg), dim, gaussian(init.projection), false, LinearSplit::rows) {
  cfg.check_values(dim);
}

Var GatedLinearAttention::operator()(Ctx& c, const Var& rows, const TokenLayout& tokens, GlaState* state) const {
  const Var x = whole_sequence(c, rows, tokens);
  const Var logits = widened(gk_up_(c, gk_down_(c, x)));
  const Var gates = scale(softplus(scale(logits, -1)), -1 / cfg_.gate_logit_normalizer);  // log sigmoid, divided
  const Var q = by_head(q_proj_(c, x), heads_), k = by_head(k_proj_(c, x), heads_), v = by_head(v_proj_(c, x), heads_);
  const Recurrence r = gated_linear_attention(q, k, v, by_head(gates, heads_), 1 / std::sqrt(double(q.dim(3))),
                                              state != nullptr ? state->memory : Var());
  if (state != nullptr) state->memory = r.state;
  const Var o = cast(heads_joined(g_norm_(c, r.o)), rows.value().dtype());
  return scatter_tokens(c, o_proj_(c, gather_rows(swiglu(g_proj_(c, x), o), tokens.mine())));
}

}  // namespace lact
