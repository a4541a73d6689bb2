// The two local sub-layers of a view-synthesis block (docs/math.md, section 3).
#pragma once
#include <optional>

#include "layers/linear.hpp"
#include "layers/token_cut.hpp"

namespace lact {

struct SelfAttentionConfig {
  std::int64_t head_dim = 64;
  bool use_qk_norm = true, causal = false, bias = false;
};

// Softmax attention over the tokens of each span of each item of x [b, t, dim]. Channels of to_qkv: (qkv, head,
// channel). Over tp the heads are cut (Shoeybi et al. 2019).
class SelfAttention {
 public:
  SelfAttention(Scope s, std::int64_t dim, const SelfAttentionConfig& cfg, InitScale init);
  // Every item is one span.
  Var operator()(Ctx& c, const Var& x) const { return (*this)(c, x, TokenCut::whole(x.dim(1)), x.dim(1)); }
  // x holds the rows of the cut; spans are the `span` tokens from a multiple of it on (a view). Of a span that lies on
  // several ranks of cp, each rank sends the others its keys and values.
  Var operator()(Ctx& c, const Var& x, const TokenCut& cut, std::int64_t span) const;

 private:
  std::int64_t heads_;  // of this rank
  SelfAttentionConfig cfg_;
  Linear to_qkv_;
  std::optional<RmsNorm> q_norm_, k_norm_;
  Linear c_proj_;
};

// c_proj(gelu(c_fc(x))), exact GELU, hidden width int(dim * inter_multi), cut over tp.
class Mlp {
 public:
  Mlp(Scope s, std::int64_t dim, double inter_multi, bool bias, InitScale init);
  Var operator()(Ctx& c, const Var& x) const { return (*this)(c, x, TokenCut::whole(x.dim(1))); }
  Var operator()(Ctx& c, const Var& x, const TokenCut& cut) const;  // x holds the rows of the cut

 private:
  Linear c_fc_, c_proj_;
};

}  // namespace lact
