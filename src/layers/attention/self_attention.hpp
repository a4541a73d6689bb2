// Attention within spans of tokens, such as the views of a sample, with its projections (docs/math.md, 3).
#pragma once
#include <optional>

#include "layers/linear.hpp"
#include "layers/token_layout.hpp"

namespace lact {

struct SelfAttentionConfig {
  std::int64_t head_dim = 64;
  bool use_qk_norm = true, causal = false, bias = false;
};

// Softmax attention over the tokens of each span of each item of x [b, t, dim]. Channels of to_qkv: (qkv, head,
// channel). Over tp the heads are shared out (Shoeybi et al. 2019).
class SelfAttention {
 public:
  SelfAttention(Scope s, std::int64_t dim, const SelfAttentionConfig& cfg, InitScale init);
  // Every item is one span.
  Var operator()(Ctx& c, const Var& x) const { return (*this)(c, x, TokenLayout::whole(x.dim(1)), x.dim(1)); }
  // x holds the rows of this rank. A span is the `span` tokens that begin at a multiple of it, such as a view. Where a
  // span lies on several ranks of cp, each sends the others its keys and values.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, std::int64_t span) const;

 private:
  std::int64_t heads_;  // of this rank
  SelfAttentionConfig cfg_;
  Linear to_qkv_;
  std::optional<RmsNorm> q_norm_, k_norm_;
  Linear c_proj_;
};

}  // namespace lact
