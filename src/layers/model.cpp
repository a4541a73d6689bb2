#include "layers/model.hpp"

#include "autograd/broadcast.hpp"
#include "autograd/checkpoint.hpp"
#include "autograd/ops.hpp"
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

Var made_by_stage(const Model& m, Ctx& c, std::size_t stage, const Shape& shape, DType type,
                  const std::function<Var()>& make) {
  Communicator& pp = c.mesh.along(Axis::pp);
  if (pp.size() == 1) return make();
  check(stage < m.stages().size(), "stage {} of {}", stage, m.stages().size());
  const int owner = int(stage) % pp.size();
  Tensor t = pp.rank() == owner ? dense(make().value()) : Tensor::empty(c.device, shape, type);
  pp.broadcast(t, owner).wait();
  return t;
}

Var before_last_stage(Model& m, Ctx& c, const Batch& b) {
  const std::vector<Range> stages = m.stages();
  Var x;
  for (std::size_t s = 0; s + 1 < stages.size(); ++s)
    x = made_by_stage(m, c, s, m.hidden(c, b).shape(), c.activations,
                      [&] { return run_blocks(m, c, b, stages[s], x, false); });
  return x;
}

double loss_without_gradients(Model& m, Ctx& c, const Batch& b) {
  const std::vector<Range> stages = m.stages();
  Ctx plain = c.on(nullptr);
  const Var x = before_last_stage(m, plain, b);
  const Var made = made_by_stage(m, plain, stages.size() - 1, {1}, DType::f32,
                                 [&] { return run_blocks(m, plain, b, stages.back(), x, false); });
  const Tensor loss = cast(made, DType::f64).value();
  c.mesh.along(Axes(Axis::cp) | Axis::tp).all_reduce(loss).wait();
  return loss.item();
}

}  // namespace lact
