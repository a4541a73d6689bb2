// Causal attention over a whole sequence, also through a window (docs/math.md, 3 and 3.1).
#pragma once
#include "layers/attention/span_attention.hpp"

namespace lact {

// q [b, heads, t, d], k and v [b, kv_heads, t, d], whose heads serve heads / kv_heads query heads each (grouped
// queries, Ainslie et al. 2023). A token sees itself and the window - 1 before it; 0 is all before it. Where the tokens
// are shared out over cp, whole heads travel: each rank runs some heads over the whole sequence.
//   2 ranks, heads a b: rank 0 holds tokens 0 1 of both heads; it gets 2 3 of a, runs a, and sends 2 3 of its output
Var causal_attention(Ctx& c, const Heads& x, const TokenLayout& tokens, std::int64_t window);

// k or v with as many heads as the queries: head h is head h / (heads / kv_heads) of x.
Var grouped(const Var& x, std::int64_t heads);

// The places of this rank's tokens in the sequence, i32 [held], which begins behind `before` others.
Tensor positions_of(const TokenLayout& tokens, Device& d, std::int64_t before = 0);

}  // namespace lact
