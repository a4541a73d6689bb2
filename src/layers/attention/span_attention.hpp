// Attention within spans of tokens (views) that may lie on several ranks of cp.
#pragma once
#include "autograd/ops.hpp"
#include "layers/token_layout.hpp"

namespace lact {

struct Heads {
  Var q, k, v;  // [b, heads, tokens of this rank of cp, d]
};
// Spans begin at multiples of `span`. Queries stay where they are; of a span that lies on several ranks, keys and
// values travel to the other ranks that hold a part of it, all in one exchange, which every rank of cp calls.
//   2 ranks, spans of 4, rank 0 holds tokens 0-5, rank 1 6-11: span 4-7 lies on both; rank 0 sends the keys and values
//   of 4 5 and receives those of 6 7
Var span_attention(Ctx& c, const Heads& x, const TokenLayout& tokens, std::int64_t span, double scale, Mask mask);

}  // namespace lact
