// Attention within spans of tokens (views) that may lie on several ranks of cp.
#pragma once
#include "autograd/ops.hpp"
#include "layers/token_layout.hpp"

namespace lact {

struct Heads {
  Var q, k, v;  // [b, heads, tokens of this rank of cp, d]
};
// Queries stay, keys and values of a cut span travel to the ranks that hold other parts of it, in one exchange; every
// rank of cp calls it, with or without a cut span. Spans begin at multiples of `span`.
Var span_attention(Ctx& c, const Heads& x, const TokenLayout& tokens, std::int64_t span, double scale, Mask mask);

}  // namespace lact
