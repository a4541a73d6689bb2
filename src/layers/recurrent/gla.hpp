// Gated linear attention (Yang et al., arXiv 2312.06635; docs/math.md, 15.3).
#pragma once
#include "base/config.hpp"
#include "layers/linear.hpp"
#include "layers/token_layout.hpp"

namespace lact {

struct GlaConfig {
  std::int64_t num_heads = 4;
  double expand_k = 0.5, expand_v = 1;
  std::int64_t gate_low_rank_dim = 16;
  double gate_logit_normalizer = 16, norm_eps = 1e-5;
  void fields(Fields& f);
  void check_values(std::int64_t dim) const;  // impossible values are named
};

struct GlaState {
  Var memory;  // [b, heads of this rank, key channels, value channels]; empty before the first token
};

// Parameters q_proj, k_proj, v_proj, g_proj, gk_proj.0, gk_proj.1, g_norm, o_proj, as in flash-linear-attention.
class GatedLinearAttention {
 public:
  GatedLinearAttention(Scope s, std::int64_t dim, const GlaConfig& cfg, InitScale init);
  using State = GlaState;
  // x [b, rows of this rank, dim]. With a state the sequence goes on from it, and it is carried on.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, GlaState* state = nullptr) const;
  Var operator()(Ctx& c, const Var& x, GlaState* state = nullptr) const {
    return (*this)(c, x, TokenLayout::whole(x.dim(1)), state);
  }

 private:
  GlaConfig cfg_;
  std::int64_t heads_;  // of this rank
  Linear q_proj_, k_proj_, v_proj_, g_proj_, gk_down_, gk_up_;
  RmsNorm g_norm_;
  Linear o_proj_;
};

}  // namespace lact
