// A depth-wise causal convolution of a few tokens with its parameters (docs/math.md, 15.1).
#pragma once
#include "autograd/ops.hpp"
#include "layers/parameters/scope.hpp"

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

}  // namespace lact
