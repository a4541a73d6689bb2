// A depth-wise causal convolution of a few tokens with its parameters (docs/math.md, 15.1).
#pragma once
#include "layers/linear.hpp"
#include "layers/token_layout.hpp"

namespace lact {

// Parameters "weight" [channels, 1, taps] and, if asked, "bias" [channels], drawn within +-1 / sqrt(taps). With
// `split_over_tp` each rank of tp has its part of the channels.
class ShortConvolution {
 public:
  ShortConvolution(Scope s, std::int64_t channels, std::int64_t taps, bool bias, bool split_over_tp = false);
  // x [b, t, channels of this rank]. `inputs` [b, taps, channels of this rank]: the last inputs before x, oldest first,
  // or empty before the first token; afterwards those that end with x, zeros where the sequence is shorter. Without it
  // x begins the sequence.
  Var operator()(Ctx& c, const Var& x, Var* inputs = nullptr) const;

 private:
  const Parameter& weight_;
  const Parameter* bias_;
};

// A convolution of the normed tokens that is added to them before a block, parameters norm.weight, conv.weight and
// conv.bias: the `pre_conv` of models with a Mamba backbone (Sun et al., arXiv 2407.04620, section 2.7). Every rank of
// cp and tp goes through the whole sequence and keeps its rows.
class NormedConvolution {
 public:
  NormedConvolution(Scope s, std::int64_t dim, std::int64_t taps, double eps)
      : norm_(s / "norm", dim, eps), conv_(s / "conv", dim, taps, true) {}
  // x [b, rows of this rank, dim]; `inputs` as of ShortConvolution, of all channels.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, Var* inputs = nullptr) const;

 private:
  RmsNorm norm_;
  ShortConvolution conv_;
};

}  // namespace lact
