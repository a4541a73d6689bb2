#include "layers/model.hpp"

#include "autograd/checkpoint.hpp"

namespace lact {

Var loss_of(Model& m, Ctx& c, const Batch& b, bool recompute) {
  Var x = m.embed(c, b);
  for (int i = 0; i < m.blocks(); ++i) {
    if (!recompute) {
      x = m.block(c, i, x, b);
      continue;
    }
    auto body = [&m, c, i, b](Tape* tape, std::span<const Var> in) {
      Ctx own = c.on(tape);
      return std::vector<Var>{m.block(own, i, in[0], b)};
    };
    x = checkpoint(c.tape, {x}, body)[0];
  }
  return m.head(c, x, b);
}

}  // namespace lact
