// The large-chunk layer of language: causal fast weights beside attention through a window, which share queries, keys
// and values (LaCT, arXiv 2505.23884; docs/math.md, 4.10; parameter names as published).
#pragma once
#include <optional>

#include "base/config.hpp"
#include "layers/attention/carried_attention.hpp"
#include "layers/fast_weights/run_plan.hpp"
#include "layers/linear.hpp"

namespace lact {

struct CausalLactConfig {  // keys and defaults as published
  std::int64_t num_attn_heads = 32, num_lact_heads = 4;
  double inter_multi = 1;
  bool qkv_bias = false, attn_qk_norm = false;
  std::int64_t lact_chunk_size = 2048, window_size = 2048;
  bool use_muon = false, use_momentum = true, ttt_prenorm = false, ttt_nope = false;
  bool qkv_silu = true, no_v_silu = false, learnable_ttt_scale = true;
  std::int64_t w0_w2_low_rank = -1;
  double fw_init_gain = 0.5, rope_theta = 10000;
  bool use_fused_kernel = false;  // the rules of the published fused kernels
  void fields(Fields& f);
  void check_values(std::int64_t dim) const;  // impossible values are named
  FastWeightRule rule() const;
};

// What goes on from one token to the next, of this rank's heads; B = b * heads of the fast weights.
struct CausalLactState {
  AttentionState attention;
  FastWeightState weights;   // empty before the first token
  std::int64_t waiting = 0;  // tokens since the last update, in the first places of
  TokenBuffer k, v, rates;   // [B, lact_chunk_size, .]; rates: those of W0, W1, W2, and the momentum where there is one
};

// x [b, t, dim] -> [b, t, dim]. Over tp both kinds of heads are shared out, and must divide over its ranks.
class CausalLact {
 public:
  // `deviation`: of all linear maps at the start.
  CausalLact(Scope s, std::int64_t dim, const CausalLactConfig& cfg, CpMode mode, double deviation);
  Var operator()(Ctx& c, const Var& x) const { return (*this)(c, x, TokenLayout::whole(x.dim(1))); }
  using State = CausalLactState;
  // x holds the rows of this rank; the layout is that of plan(). With a state the sequence goes on from it, and it is
  // carried on: without a tape, and with a layout whose ranks of cp all hold everything. Whole chunks are computed as
  // in training, also if they began before; a chunk updates the weights with its last token.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, State* state = nullptr) const;
  TttPlan plan(std::int64_t tokens) const { return plan_causal(tokens, cfg_.lact_chunk_size); }

 private:
  class Matrix {  // initial weights [heads, m, n], whole or left right + I / 2
   public:
    Matrix(Scope s, std::string_view name, const Shape& shape, const CausalLactConfig& cfg);
    Var operator()(Ctx& c) const;

   private:
    const Parameter *whole_ = nullptr, *left_ = nullptr, *right_ = nullptr;
  };
  class ChannelNorm {  // RMSNorm over all channels, which tp splits
   public:
    ChannelNorm(Scope s, std::int64_t dim);
    Var operator()(Ctx& c, const Var& x) const;

   private:
    const Parameter& weight_;
    std::int64_t dim_;
  };
  Var memory(Ctx& c, const Var& x, const std::vector<Var>& qkv, const TokenLayout& tokens, const Tensor& places,
             State* state) const;
  Var carried_on(Ctx& c, const FastWeightTokens& x, std::int64_t batch, State& state) const;
  void wait(const FastWeightTokens& x, State& state) const;
  Var folded(Ctx& c, const Var& x, int which, const Tensor& places) const;
  FastWeights learned(Ctx& c, std::int64_t batch) const;

  CausalLactConfig cfg_;
  CpMode mode_;
  std::int64_t attn_heads_, heads_;  // of this rank
  Linear qkv_;
  std::optional<ChannelNorm> q_norm_, k_norm_;
  const Parameter &qk_scale_, &qk_offset_;  // [dim, 2]: columns for queries and keys of the fast weights
  Matrix w0_, w1_, w2_;
  Linear lr_proj_;
  std::optional<Linear> momentum_proj_, ttt_scale_proj_;
  RmsNorm ttt_norm_;
  Linear o_proj_;
};

}  // namespace lact
