// Mamba (Gu & Dao, arXiv 2312.00752; docs/math.md, 15.5): a selective state space behind a short convolution.
#pragma once
#include "base/config.hpp"
#include "layers/linear.hpp"
#include "layers/recurrent/short_convolution.hpp"
#include "layers/token_layout.hpp"

namespace lact {

// What a selective scan has around the recurrence of `selective_scan` in ops.hpp.
struct SelectiveTokens {
  Var u, delta;          // [b, t, channels]
  Var a;                 // [channels, states], negative
  Var b, c;              // [b, t, states]
  Var d;                 // [channels]: the share of u that goes past the state; may be empty
  Var z;                 // [b, t, channels]: y is multiplied by silu(z); may be empty
  Var delta_bias;        // [channels], may be empty
  bool softplus = true;  // of delta + delta_bias
};
struct SelectiveScanned {
  Var y;      // [b, t, channels]
  Var state;  // [b, channels, states], after the last token
};
// From `state`, or from zeros where it is empty. Steps and states of bf16 tokens are f32.
SelectiveScanned selective_scan(const SelectiveTokens& x, const Var& state);

struct MambaConfig {
  std::int64_t d_state = 16, d_conv = 4, expand = 2;
  std::int64_t dt_rank = 0;             // 0: a sixteenth of the model's width, rounded up
  bool conv_bias = true, bias = false;  // of the convolution; of in_proj and out_proj
  double dt_min = 0.001, dt_max = 0.1, dt_init_floor = 1e-4;
  void fields(Fields& f);
  void check_values() const;  // impossible values are named
};

struct MambaState {
  Var inputs;  // of the convolution, [b, d_conv, channels of this rank], oldest first; empty before the first token
  Var memory;  // [b, channels of this rank, d_state]
};

// Parameters in_proj, conv1d, x_proj, dt_proj, A_log, D, out_proj, as in the original. No norm and no residual. Over tp
// the channels are shared out.
class Mamba {
 public:
  Mamba(Scope s, std::int64_t dim, const MambaConfig& cfg);
  using State = MambaState;
  // x [b, rows of this rank, dim]. With a state the sequence goes on from it, and it is carried on.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, MambaState* state = nullptr) const;
  Var operator()(Ctx& c, const Var& x, MambaState* state = nullptr) const {
    return (*this)(c, x, TokenLayout::whole(x.dim(1)), state);
  }

 private:
  std::int64_t states_, dt_rank_;
  Linear in_proj_;
  ShortConvolution conv1d_;
  Linear x_proj_;
  const Parameter &dt_weight_, &dt_bias_, &a_log_, &d_;
  Linear out_proj_;
};

}  // namespace lact
