// Causal attention with rotary positions, grouped queries and, where wanted, a window: the layer of a Transformer for
// text (docs/math.md, 3 and 3.1).
#pragma once
#include "layers/attention/carried_attention.hpp"
#include "layers/linear.hpp"

namespace lact {

struct RotaryAttentionConfig {
  std::int64_t heads = 32, kv_heads = 32;
  std::int64_t window = 0;  // tokens that a token sees, itself included; 0: all before it
  double rope_theta = 10000;
  bool bias = false;  // of queries, keys and values
};

// x [b, t, dim] -> [b, t, dim]. Over tp the heads of queries and of keys are shared out.
class RotaryAttention {
 public:
  RotaryAttention(Scope s, std::int64_t dim, const RotaryAttentionConfig& cfg, double deviation);
  using State = AttentionState;  // of this rank's heads
  Var operator()(Ctx& c, const Var& x) const { return (*this)(c, x, TokenLayout::whole(x.dim(1))); }
  // x holds the rows of this rank. With a state the sequence goes on from it, and it is carried on: without a tape, and
  // with a layout whose ranks of cp all hold everything.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, State* state = nullptr) const;

 private:
  RotaryAttentionConfig cfg_;
  std::int64_t tp_;
  Linear q_proj_, k_proj_, v_proj_, o_proj_;
};

}  // namespace lact
