#include "layers/recurrent/chunked_linear_attention.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "layers/recurrent/linear_attention.hpp"
#include "layers/recurrent/pieces.hpp"
#include "layers/recurrent/shared_sequence.hpp"

namespace lact {

void LinearAttentionConfig::fields(Fields& f) {
  f("num_heads", num_heads, "heads");
  f("expand_k", expand_k, "width of the keys, as a multiple of the model's");
  f("expand_v", expand_v, "width of the values, as a multiple of the model's");
  f("chunk_size", chunk_size,
    "tokens after which the memory changes; all of them read what stood before their chunk. "
    "1: each token also reads itself");
  f("norm_eps", norm_eps, "epsilon of the norm of each head's output");
}

namespace {

constexpr double unit_eps = 1e-5;  // beside the norms of queries and keys, as in the fast weights of language

}  // namespace

void LinearAttentionConfig::check_values(std::int64_t dim) const {
  keys_of(dim, *this);
  values_of(dim, *this);
  check(chunk_size > 0, "chunk_size={} is no number of tokens", chunk_size);
}

ChunkedLinearAttention::ChunkedLinearAttention(Scope s, std::int64_t dim, const LinearAttentionConfig& cfg,
                                               InitScale init)
    : chunk_(cfg.chunk_size),
      heads_(heads_of_rank(cfg.num_heads, s.tp(), "linear attention")),
      q_proj_(s / "q_proj", dim, keys_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      k_proj_(s / "k_proj", dim, keys_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      v_proj_(s / "v_proj", dim, values_of(dim, cfg), gaussian(init.linear), false, LinearSplit::columns),
      o_norm_(s / "o_norm", values_of(dim, cfg) / cfg.num_heads, cfg.norm_eps),
      o_proj_(s / "o_proj", values_of(dim, cfg), dim, gaussian(init.projection), false, LinearSplit::rows) {
  cfg.check_values(dim);
}

ChunkedLinearAttention::Heads ChunkedLinearAttention::Heads::part(Range tokens) const {
  return {cut(q, 1, tokens), cut(k, 1, tokens), cut(v, 1, tokens)};
}

// The rest of an open chunk, whole chunks, and what begins a new one.
Var ChunkedLinearAttention::read(const Heads& x, State& state) const {
  const std::int64_t t = x.q.dim(1);
  if (!state.memory) state.memory = zero_state(x.k, x.v);
  if (chunk_ == 1) {
    const Recurrence r = chunk_recurrence(x.q, x.k, x.v, 1, 1, Reads::after, state.memory);
    state.memory = r.state;
    return r.o;
  }
  if (!state.open) state.open = zero_state(x.k, x.v);
  std::vector<Var> outputs;
  auto within_a_chunk = [&](Range tokens) {
    const Heads part = x.part(tokens);
    auto by_heads = [](const Var& y) { return permute(y, {0, 2, 1, 3}); };
    outputs.push_back(by_heads(matmul(by_heads(part.q), state.memory)));
    state.open = add(state.open, matmul(by_heads(part.k), by_heads(part.v), Orient::tn));
    state.waiting += tokens.size();
    if (state.waiting < chunk_) return;
    state.memory = add(state.memory, state.open);
    state.open = zero_state(x.k, x.v);
    state.waiting = 0;
  };
  std::int64_t at = state.waiting > 0 ? std::min(chunk_ - state.waiting, t) : 0;
  if (at > 0) within_a_chunk({0, at});
  const std::int64_t end = at + (t - at) / chunk_ * chunk_;
  if (end > at) {
    const Heads part = x.part({at, end});
    const Recurrence r = chunk_recurrence(part.q, part.k, part.v, 1, chunk_, Reads::before, state.memory);
    outputs.push_back(r.o);
    state.memory = r.state;
  }
  if (t > end) within_a_chunk({end, t});
  return outputs.empty() ? x.v : join(outputs, 1);
}

Var ChunkedLinearAttention::operator()(Ctx& c, const Var& rows, const TokenLayout& tokens, State* state) const {
  const Var x = whole_sequence(c, rows, tokens);
  auto unit = [&](const Linear& map) { return l2_norm(by_head(silu(widened(map(c, x))), heads_), unit_eps); };
  const Heads heads{unit(q_proj_), unit(k_proj_), by_head(widened(v_proj_(c, x)), heads_)};
  State own;
  const Var o = read(heads, state != nullptr ? *state : own);
  const Var y = cast(heads_joined(o_norm_(c, o)), rows.value().dtype());
  return scatter_tokens(c, o_proj_(c, gather_rows(y, tokens.mine())));
}

}  // namespace lact
