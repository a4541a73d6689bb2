// A recurrent layer goes through all tokens of the sequence on every rank of cp, and each keeps the rows that it holds.
// Over tp its heads, or channels, are shared out.
#pragma once
#include "layers/token_layout.hpp"

namespace lact {

Var rows_of_rank(const Var& y,
                 const TokenLayout& tokens);  // [b, all tokens, ...] -> [b, tokens of this rank of cp, ...]
std::int64_t heads_of_rank(std::int64_t heads, int tp, std::string_view layer);
// [b, t, heads * d] -> [b, t, heads, d] and back
Var by_head(const Var& x, std::int64_t heads);
Var heads_joined(const Var& x);

}  // namespace lact
