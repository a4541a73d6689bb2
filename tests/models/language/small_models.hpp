// Language models of every kind that compute in a moment, and tokens for them.
#pragma once
#include "models/language/config.hpp"
#include "ops/pairs.hpp"

namespace lact {

// Whether the layer has a norm over each head: over heads of two channels it would be a step.
inline bool norms_its_heads(const std::string& type) {
  return type == "ttt" || type == "gla" || type == "delta_net" || type == "linear_attention";
}

inline LanguageConfig small_model(const std::string& type, std::int64_t heads, std::int64_t width) {
  LanguageConfig cfg;
  cfg.model_type = type;
  cfg.hidden_size = width, cfg.num_hidden_layers = 2, cfg.vocab_size = 13, cfg.intermediate_size = 12;
  cfg.initializer_range = 0.3;
  cfg.lact.num_attn_heads = cfg.lact.num_lact_heads = heads, cfg.lact.lact_chunk_size = 5, cfg.lact.window_size = 4;
  cfg.ttt.num_attention_heads = heads, cfg.ttt.mini_batch_size = 4;
  cfg.gla.num_heads = cfg.delta_net.num_heads = cfg.linear_attention.num_heads = heads;
  cfg.linear_attention.chunk_size = 5;
  cfg.mamba.d_state = 3;
  cfg.mamba2.mamba_heads = heads, cfg.mamba2.mamba_head_dim = 2;
  return cfg;
}
inline LanguageConfig small_model(const std::string& type) {
  return small_model(type, 6, norms_its_heads(type) ? 48 : 24);
}

// The tokens of these numbers among a long row of them, i32 [samples, numbers / samples], each below 13.
inline Tensor small_tokens(std::int64_t samples, Range numbers) {
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = numbers.begin; i < numbers.end; ++i) tokens.push_back(std::int32_t((7 * i + i * i) % 13));
  return Tensor::of(tested(), {samples, numbers.size() / samples}, std::span<const std::int32_t>(tokens));
}

}  // namespace lact
