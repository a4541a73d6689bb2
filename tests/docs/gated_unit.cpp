#include "docs/gated_unit.hpp"

namespace lact {

GatedUnit::GatedUnit(Scope s, std::int64_t dim, std::int64_t hidden, InitScale init)
    : gate_(s / "gate", dim, hidden, gaussian(init.linear), false, LinearCut::columns),
      up_(s / "up", dim, hidden, gaussian(init.linear), false, LinearCut::columns),
      down_(s / "down", hidden, dim, gaussian(init.projection), false, LinearCut::rows) {}

Var GatedUnit::operator()(Ctx& c, const Var& x, const TokenCut& cut) const {
  const Var all = gather_tokens(c, x, cut.held());   // [b, tokens of this rank of cp, dim]
  const Var y = swiglu(gate_(c, all), up_(c, all));  // [b, tokens, hidden / tp]
  return scatter_tokens(c, down_(c, y));             // summed over tp, of which each rank keeps its rows
}

}  // namespace lact
