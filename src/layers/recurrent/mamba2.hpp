// Mamba-2 (Dao & Gu, arXiv 2405.21060; docs/math.md, 15.6) as the LaCT paper compares with it (arXiv 2505.23884,
// appendix D): every head has its own X, B, C and step; no convolution, no gate, no skip, no norm.
#pragma once
#include "base/config.hpp"
#include "layers/linear.hpp"
#include "layers/recurrent/linear_attention.hpp"
#include "layers/token_layout.hpp"

namespace lact {

struct Mamba2Config {
  std::int64_t mamba_heads = 8, mamba_head_dim = 192;
  double dt_bias = -4.6;  // at the start; softplus of it is a step of 0.01
  void fields(Fields& f);
  void check_values() const;  // impossible values are named
};

struct Mamba2State {
  Var memory;  // [b, heads of this rank, head dim (B), head dim (X)]; empty before the first token
};

// One direction. Parameters to_xbc.weight [3 heads head_dim, dim] (X/B/C, head, channel), to_dt.weight [heads, dim],
// dt_bias [heads], c_proj.weight [dim, heads head_dim]. Over tp the heads are shared out.
class Mamba2 {
 public:
  Mamba2(Scope s, std::int64_t dim, const Mamba2Config& cfg, InitScale init);
  using State = Mamba2State;
  // x [b, rows of this rank, dim]. With a state the sequence goes on from it, and it is carried on.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, Mamba2State* state = nullptr) const;
  Var operator()(Ctx& c, const Var& x, Mamba2State* state = nullptr) const {
    return (*this)(c, x, TokenLayout::whole(x.dim(1)), state);
  }

 private:
  friend class BidirectionalMamba2;
  // Outputs [b, t, channels of this rank] of all tokens: the first `updating` change the state, the others read the
  // last.
  Var outputs(Ctx& c, const Var& x, std::int64_t updating, bool backwards, Mamba2State& state) const;

  std::int64_t heads_, head_dim_;  // heads of this rank
  Linear to_xbc_, to_dt_;
  const Parameter& dt_bias_;
  Linear c_proj_;
};

// Two layers, "fwd" and "bwd", over the same tokens in opposite directions, summed.
class BidirectionalMamba2 {
 public:
  BidirectionalMamba2(Scope s, std::int64_t dim, const Mamba2Config& cfg, InitScale init)
      : fwd_(s / "fwd", dim, cfg, init), bwd_(s / "bwd", dim, cfg, init) {}
  struct Result {
    Var y;  // [b, rows of this rank, dim]
    Mamba2State fwd, bwd;
  };
  // The first `updating` tokens of the sequence change the states and read them as they pass; the others read what both
  // directions have in the end.
  Result operator()(Ctx& c, const Var& x, const TokenLayout& tokens, std::int64_t updating) const;

 private:
  Mamba2 fwd_, bwd_;
};

}  // namespace lact
