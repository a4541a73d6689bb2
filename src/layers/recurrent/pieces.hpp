// A sequence as pieces that are computed at once.
#pragma once
#include "autograd/ops.hpp"

namespace lact {

// Tokens [b, t, h, d] in pieces of n tokens, the last one filled up with zeros. Pieces of one head may lie side by side
// ([b, h, pieces]) or all heads of one piece ([pieces, b, h]).
struct Pieces {
  enum class Order : std::uint8_t { by_head, by_piece };
  std::int64_t b, t, h, n;
  Order order;

  std::int64_t count() const { return (t + n - 1) / n; }  // of a head
  Var cut_up(const Var& x) const;                         // [b, t, h, d] -> [pieces of all heads, n, d]
  Var put_together(const Var& x) const;                   // its inverse
};

Var zero_state(const Var& k, const Var& v);  // [b, h, key channels, value channels]

}  // namespace lact
