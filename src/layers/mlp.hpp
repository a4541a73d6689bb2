// The feed-forward layers.
#pragma once
#include "layers/linear.hpp"
#include "layers/token_layout.hpp"

namespace lact {

// c_proj(gelu(c_fc(x))), exact GELU, hidden width int(dim * inter_multi), split over tp.
class Mlp {
 public:
  Mlp(Scope s, std::int64_t dim, double inter_multi, bool bias, InitScale init);
  Var operator()(Ctx& c, const Var& x) const { return (*this)(c, x, TokenLayout::whole(x.dim(1))); }
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens) const;  // x holds the rows of this rank

 private:
  Linear c_fc_, c_proj_;
};

// down_proj(silu(gate_proj(x)) * up_proj(x)), without biases (Shazeer 2020), split over tp by its hidden width.
class GatedMlp {
 public:
  GatedMlp(Scope s, std::int64_t dim, std::int64_t hidden, double deviation);
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens) const;  // x holds the rows of this rank

 private:
  Linear gate_proj_, up_proj_, down_proj_;
};

}  // namespace lact
