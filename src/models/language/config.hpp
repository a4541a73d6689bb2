// The keys below `model` of a language model, by the names of the published configs.
#pragma once
#include <array>

#include "layers/fast_weights/causal_lact.hpp"
#include "layers/fast_weights/mini_batch/mini_batch_ttt.hpp"
#include "layers/recurrent/chunked_linear_attention.hpp"
#include "layers/recurrent/delta_net.hpp"
#include "layers/recurrent/gla.hpp"
#include "layers/recurrent/mamba.hpp"
#include "layers/recurrent/mamba2.hpp"
#include "models/costs.hpp"

namespace lact {

// What model.model_type may be.
inline constexpr std::array<const char*, 8> language_model_types{"lact_swiglu", "transformer",      "ttt",   "gla",
                                                                 "delta_net",   "linear_attention", "mamba", "mamba2"};

struct LanguageConfig {
  std::string model_type = "lact_swiglu";
  std::int64_t hidden_size = 2048, num_hidden_layers = 24, vocab_size = 258;
  std::int64_t hidden_ratio = 4, intermediate_size = 0;
  bool tie_word_embeddings = false;
  double norm_eps = 1e-6, initializer_range = 0.006, z_loss = 0;
  std::int64_t num_kv_heads = 0;  // of a transformer
  bool window_beside = false;
  bool pre_conv = false;  // of model_type ttt
  CausalLactConfig lact;
  MiniBatchTttConfig ttt;
  GlaConfig gla;
  DeltaNetConfig delta_net;
  LinearAttentionConfig linear_attention;
  MambaConfig mamba;
  Mamba2Config mamba2;
  void fields(Fields& f);
  void check_values() const;  // impossible values are named

  std::int64_t hidden_of_mlp() const;
  std::int64_t kv_heads() const { return num_kv_heads > 0 ? num_kv_heads : lact.num_attn_heads; }
  bool has_fast_weights() const { return model_type == "lact_swiglu"; }
  bool attends() const { return has_fast_weights() || model_type == "transformer" || window_beside; }
  // What a layer does with so many tokens, one event behind the other.
  TttPlan plan(std::int64_t tokens) const;

 private:
  // Keys of published files that change nothing here.
  struct Published {
    std::string hidden_act = "swish", lr_parameterization = "mamba", ttt_loss_type = "dot_product";
    std::int64_t lr_dim = 1, max_position_embeddings = 2048, bos_token_id = 1, eos_token_id = 2, pad_token_id = 0;
    bool attention_bias = false, fuse_cross_entropy = true, fuse_norm = true, last_layer_fuse_norm = true;
    bool fuse_swiglu = true, use_cache = true, fp32_states = false, elementwise_affine = true;
    void fields(Fields& f);
  };
  Published published_;
};

// One forward pass over so many samples of so many tokens.
Costs costs_of(const LanguageConfig& cfg, std::int64_t samples, std::int64_t context);

}  // namespace lact
