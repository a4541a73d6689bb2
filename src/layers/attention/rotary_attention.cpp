#include "layers/attention/rotary_attention.hpp"

#include "base/check.hpp"
#include "layers/attention/causal_attention.hpp"

namespace lact {
namespace {

std::int64_t width_of_keys(std::int64_t dim, const RotaryAttentionConfig& cfg) {
  check(cfg.heads > 0 && cfg.kv_heads > 0 && dim % cfg.heads == 0 && dim / cfg.heads % 2 == 0,
        "{} heads do not divide the width {} evenly, into pairs of channels", cfg.heads, dim);
  check(cfg.heads % cfg.kv_heads == 0, "{} heads of queries do not share {} heads of keys evenly", cfg.heads,
        cfg.kv_heads);
  return dim / cfg.heads * cfg.kv_heads;
}

}  // namespace

RotaryAttention::RotaryAttention(Scope s, std::int64_t dim, const RotaryAttentionConfig& cfg, double deviation)
    : cfg_(cfg),
      tp_(s.tp()),
      q_proj_(s / "q_proj", dim, dim, gaussian(deviation), cfg.bias, LinearSplit::columns),
      k_proj_(s / "k_proj", dim, width_of_keys(dim, cfg), gaussian(deviation), cfg.bias, LinearSplit::columns),
      v_proj_(s / "v_proj", dim, width_of_keys(dim, cfg), gaussian(deviation), cfg.bias, LinearSplit::columns),
      o_proj_(s / "o_proj", dim, dim, gaussian(deviation), false, LinearSplit::rows) {
  check(cfg.heads % tp_ == 0 && cfg.kv_heads % tp_ == 0,
        "{} heads of queries and {} of keys do not divide over {} ranks of tp", cfg.heads, cfg.kv_heads, tp_);
}

Var RotaryAttention::operator()(Ctx& c, const Var& rows, const TokenLayout& tokens, State* state) const {
  const Var x = gather_tokens(c, rows, tokens.held());
  const Tensor places = positions_of(tokens, c.device, state != nullptr ? state->tokens : 0);
  auto heads = [&](const Var& z, std::int64_t n) { return split_heads(z, 1, n / tp_)[0]; };
  auto turned = [&](const Var& z, std::int64_t n) { return rope(heads(z, n), places, {cfg_.rope_theta}); };
  const Heads seen{turned(q_proj_(c, x), cfg_.heads), turned(k_proj_(c, x), cfg_.kv_heads),
                   heads(v_proj_(c, x), cfg_.kv_heads)};
  const Var o =
      state != nullptr ? carried_attention(seen, cfg_.window, *state) : causal_attention(c, seen, tokens, cfg_.window);
  return scatter_tokens(c, o_proj_(c, join_heads({o})));
}

}  // namespace lact
