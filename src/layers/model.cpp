#include "layers/model.hpp"

#include "autograd/checkpoint.hpp"
#include "base/check.hpp"

namespace lact {
namespace {

// Passes x on unchanged. In the backward pass it ends the span of the block behind it and begins that of the one
// before.
Var turning_point(const Var& x, Spans* spans, const std::string& before) {
  if (spans == nullptr) return x;
  auto back = [spans, before](const Var& dy) {
    spans->turn("block", before);
    return Grads{dy};
  };
  return op("turning_point", x.value(), {x}, back, Rule::collective);
}

std::string named(const char* what, int block) { return sentence("{} of block {}", what, block); }

}  // namespace

Var run_blocks(Model& m, Ctx& c, const Batch& b, Range blocks, Var x, bool recompute) {
  if (blocks.begin == 0) x = m.embed(c, b);
  x = turning_point(x, c.spans, "");
  for (int i = int(blocks.begin); i < blocks.end; ++i) {
    const Spanning span(c.spans, "block", named("forward", i));
    if (!recompute) {
      x = turning_point(m.block(c, i, x, b), c.spans, named("backward", i));
      continue;
    }
    auto body = [&m, c, i, b](Tape* tape, std::span<const Var> in) {
      Ctx own = c.on(tape);
      const Spanning again(tape == nullptr ? nullptr : c.spans, "block", named("recomputation", i));
      return std::vector<Var>{m.block(own, i, in[0], b)};
    };
    x = turning_point(checkpoint(c.tape, {x}, body)[0], c.spans, named("backward", i));
  }
  return blocks.end == m.blocks() ? m.head(c, x, b) : x;
}

}  // namespace lact
