#include "layers/model.hpp"

#include "autograd/checkpoint.hpp"

namespace lact {

Var run_blocks(Model& m, Ctx& c, const Batch& b, Range blocks, Var x, bool recompute) {
  if (blocks.begin == 0) x = m.embed(c, b);
  for (int i = int(blocks.begin); i < blocks.end; ++i) {
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
  return blocks.end == m.blocks() ? m.head(c, x, b) : x;
}

}  // namespace lact
