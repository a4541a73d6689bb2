// A layer of the reader's own, for docs/your_own_layer.md.
#pragma once
#include "layers/linear.hpp"
#include "layers/token_cut.hpp"

namespace lact {

// y = (silu(x Wg) * (x Wu)) Wd, the gated feed-forward layer of Shazeer 2020 (arXiv 2002.05202, SwiGLU). Parameters
// "gate.weight" and "up.weight" [hidden, dim], "down.weight" [dim, hidden]; over tp each rank has a part of `hidden`.
class GatedUnit {
 public:
  GatedUnit(Scope s, std::int64_t dim, std::int64_t hidden, InitScale init);
  // x [b, rows of this rank, dim], as the cut says; y has the same shape.
  Var operator()(Ctx& c, const Var& x, const TokenCut& cut) const;

 private:
  Linear gate_, up_, down_;
};

}  // namespace lact
