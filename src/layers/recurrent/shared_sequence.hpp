// A recurrent layer goes through all tokens of the sequence on every rank of cp, and each keeps the rows that it holds.
// Over tp its heads, or channels, are shared out.
#pragma once
#include "layers/token_layout.hpp"

namespace lact {

std::int64_t heads_of_rank(std::int64_t heads, int tp, std::string_view layer);
// Channels of all heads: `expand` times the model's width; an error names the key where they do not divide into heads.
std::int64_t expanded(std::int64_t dim, double expand, std::int64_t heads, std::string_view key);
// Of the keys and of the values of a layer whose config has num_heads, expand_k and expand_v.
template <class Config>
std::int64_t keys_of(std::int64_t dim, const Config& cfg) {
  return expanded(dim, cfg.expand_k, cfg.num_heads, "expand_k");
}
template <class Config>
std::int64_t values_of(std::int64_t dim, const Config& cfg) {
  return expanded(dim, cfg.expand_v, cfg.num_heads, "expand_v");
}
// [b, t, heads * d] -> [b, t, heads, d] and back
Var by_head(const Var& x, std::int64_t heads);
Var heads_joined(const Var& x);

}  // namespace lact
