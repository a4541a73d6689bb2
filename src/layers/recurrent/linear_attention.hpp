// Linear recurrences with a matrix as state, in pieces of the sequence at once (docs/math.md, 15.2 and 15.4). Tokens
// are [b, t, heads, channels], states [b, heads, key channels, value channels]; without a state the first is zero. Any
// split of a sequence whose state is carried gives the same numbers. Computed in f32 or f64: bf16 tokens are widened.
#pragma once
#include "autograd/ops.hpp"

namespace lact {

struct Recurrence {
  Var o;      // [b, t, heads, value channels]
  Var state;  // after the last token
};

// S[t] = diag(exp(g[t])) S[t - 1] + k[t] v[t]^T,  o[t] = scale S[t]^T q[t]; token t sees itself. g are logarithms of
// forget gates, of every key channel, or one for all of them: [b, t, heads, 1]. Gates of any strength keep all digits.
// `piece` tokens are computed at once, at most 64; 0 chooses.
Recurrence gated_linear_attention(const Var& q, const Var& k, const Var& v, const Var& g, double scale,
                                  const Var& state = {}, std::int64_t piece = 0);

// What a token reads: the memory of all tokens up to the end of its chunk, or up to the start of it.
enum class Reads : std::uint8_t { after, before };
// A linear fast weight without gates: S <- S + sum over a chunk of k v^T, and o = scale S^T q for the tokens of the
// chunk with the weight behind it or before it. With a chunk of 1 the per-token recurrence; the state has one size for
// all of them. A sequence may be split where chunks end.
Recurrence chunk_recurrence(const Var& q, const Var& k, const Var& v, double scale, std::int64_t chunk, Reads reads,
                            const Var& state = {});

// e[t] = beta[t] (v[t] - S[t - 1]^T k[t]),  S[t] = S[t - 1] + k[t] e[t]^T,  o[t] = scale S[t]^T q[t]; beta [b, t,
// heads].
Recurrence delta_rule(const Var& q, const Var& k, const Var& v, const Var& beta, double scale, const Var& state = {},
                      std::int64_t piece = 0);

}  // namespace lact
