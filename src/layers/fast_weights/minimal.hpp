// The two minimal fast-weight layers published beside LaCT (docs/math.md, 4.9): fast weights on the left of
// a column vector, norms per output row, gradients through the norm targets.
#pragma once
#include <optional>

#include "layers/fast_weights/run_plan.hpp"
#include "layers/linear.hpp"

namespace lact {

struct MinimalConfig {
  std::int64_t head_dim = 64;
  double inter_multi = 1, base_lr = 0.01;
  bool use_muon = true;
  bool use_o_norm = true, qk_l2_norm = true;
  bool bias = false;
  // bidirectional: with Muon, overwrite the weights by NS(G) + G as the published code does
  bool as_written = false;
  // causal
  std::int64_t attn_head_dim = 64, lact_chunk_size = 512, window_size = 512;
  bool use_momentum = false, ttt_scale_before_sum = true;
};

class MinimalFastWeights {  // what both layers share: w0, w1, w2 by the originals' names and shapes, and the rates
 public:
  MinimalFastWeights(Scope s, std::int64_t dim, const MinimalConfig& cfg);
  FastWeights learned(Ctx& c, std::int64_t batch) const;  // as right-hand matrices
  void rates(Ctx& c, const Var& x, FastWeightTokens& t) const;
  Var normed_output(Ctx& c, const Var& out, std::int64_t batch) const;  // [b * h, t, d] -> [b, h, t, d]
  std::int64_t heads() const { return heads_; }
  FastWeightRule rule() const;

 private:
  std::int64_t heads_;
  MinimalConfig cfg_;
  const Parameter &w0_, &w1_, &w2_;
  Linear lr_proj_;
  std::optional<RmsNorm> o_norm_;
};

class MinimalBidirectional {  // one update on all tokens, then apply to all
 public:
  MinimalBidirectional(Scope s, std::int64_t dim, const MinimalConfig& cfg);
  Var operator()(Ctx& c, const Var& x) const;  // [b, t, dim] -> [b, t, dim]

 private:
  MinimalConfig cfg_;
  Linear to_qkv_;
  MinimalFastWeights fast_;
  Linear o_proj_;
};

class MinimalCausal {  // block-causal fast weights beside causal window attention
 public:
  MinimalCausal(Scope s, std::int64_t dim, const MinimalConfig& cfg);
  Var operator()(Ctx& c, const Var& x) const;

 private:
  Var window_attention(Ctx& c, const Var& qkv) const;
  Var memory(Ctx& c, const Var& x, const Var& qkv) const;

  std::int64_t dim_, attention_heads_;
  MinimalConfig cfg_;
  Linear to_qkv_;
  MinimalFastWeights fast_;
  const Parameter &qk_scale_, &qk_offset_;  // [dim, 2]: columns for q and k of the attention branch
  std::optional<Linear> momentum_proj_, ttt_scale_proj_;
  Linear o_proj_;
};

}  // namespace lact
