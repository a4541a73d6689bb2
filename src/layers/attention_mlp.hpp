// The two local sub-layers of a view-synthesis block (golden/lact README section 4).
#pragma once
#include <optional>

#include "layers/linear.hpp"

namespace lact {

struct SelfAttentionConfig {
  std::int64_t head_dim = 64;
  bool use_qk_norm = true, causal = false, bias = false;
};

// Softmax attention over the tokens of each item of x [b, t, dim]. Channels of to_qkv: (qkv, head, channel).
class SelfAttention {
 public:
  SelfAttention(Scope s, std::int64_t dim, const SelfAttentionConfig& cfg, InitScale init);
  Var operator()(Ctx& c, const Var& x) const;

 private:
  std::int64_t heads_;
  SelfAttentionConfig cfg_;
  Linear to_qkv_;
  std::optional<RmsNorm> q_norm_, k_norm_;
  Linear c_proj_;
};

// c_proj(gelu(c_fc(x))), exact GELU, hidden width int(dim * inter_multi).
class Mlp {
 public:
  Mlp(Scope s, std::int64_t dim, double inter_multi, bool bias, InitScale init);
  Var operator()(Ctx& c, const Var& x) const { return c_proj_(c, gelu(c_fc_(c, x))); }

 private:
  Linear c_fc_, c_proj_;
};

}  // namespace lact
