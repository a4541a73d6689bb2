// Causal attention that goes on from the tokens before, whose keys and values are kept (docs/math.md, 3 and 17.1).
#pragma once
#include "layers/attention/span_attention.hpp"
#include "layers/token_buffer.hpp"

namespace lact {

// [b, kv_heads, room, d] each. Token t stands at t mod window, or at t where attention sees everything. Room grows by
// doubling, up to the window.
struct AttentionState {
  std::int64_t tokens = 0;  // before
  TokenBuffer keys, values;
  std::int64_t kept(std::int64_t window) const { return window > 0 ? std::min(tokens, window) : tokens; }
};

// x are the tokens behind those of the state, and are kept in it; positions are in q and k already. The same numbers as
// causal_attention() gives of the whole sequence, whatever its parts. One token reads the kept ones where they lie.
// Nothing is recorded on a tape.
Var carried_attention(const Heads& x, std::int64_t window, AttentionState& state);

}  // namespace lact
