// DeltaNet (Yang et al., arXiv 2406.06484; docs/math.md, 15.4).
#pragma once
#include "base/config.hpp"
#include "layers/linear.hpp"
#include "layers/recurrent/short_convolution.hpp"
#include "layers/token_layout.hpp"

namespace lact {

struct DeltaNetConfig {
  std::int64_t num_heads = 4;
  double expand_k = 1, expand_v = 1;
  std::int64_t conv_size = 4;
  double norm_eps = 1e-5;
  void fields(Fields& f);
  void check_values(std::int64_t dim) const;  // impossible values are named
};

struct DeltaNetState {
  Var q_inputs, k_inputs, v_inputs;  // of the convolutions, [b, conv_size, channels of this rank]
  Var memory;                        // [b, heads of this rank, key channels, value channels]
};

// Parameters q_proj, k_proj, v_proj, q_conv1d, k_conv1d, v_conv1d, b_proj, o_norm, o_proj, as in
// flash-linear-attention.
class DeltaNet {
 public:
  DeltaNet(Scope s, std::int64_t dim, const DeltaNetConfig& cfg, InitScale init);
  using State = DeltaNetState;
  // x [b, rows of this rank, dim]. With a state the sequence goes on from it, and it is carried on.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, DeltaNetState* state = nullptr) const;
  Var operator()(Ctx& c, const Var& x, DeltaNetState* state = nullptr) const {
    return (*this)(c, x, TokenLayout::whole(x.dim(1)), state);
  }

 private:
  std::int64_t heads_;  // of this rank
  Linear q_proj_, k_proj_, v_proj_;
  ShortConvolution q_conv1d_, k_conv1d_, v_conv1d_;
  Linear b_proj_;
  RmsNorm o_norm_;
  Linear o_proj_;
};

}  // namespace lact
