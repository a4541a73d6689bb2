// What models implement and training runs.
#pragma once
#include "layers/context.hpp"
#include "tensor/batch.hpp"

namespace lact {

// Floating-point operations of one forward pass over this rank's tokens, by kind. A product of [m, k] and [k, n] counts
// 2 m k n.
struct Flops {
  double linear = 0, attention = 0, update = 0, apply = 0, newton_schulz = 0;
  double total() const { return linear + attention + update + apply + newton_schulz; }
  Flops& operator+=(const Flops& o) {
    linear += o.linear, attention += o.attention, update += o.update, apply += o.apply;
    newton_schulz += o.newton_schulz;
    return *this;
  }
};

struct Model {
  virtual ~Model() = default;
  virtual int blocks() const = 0;
  virtual Var embed(Ctx& c, const Batch& b) = 0;
  virtual Var block(Ctx& c, int i, const Var& x, const Batch& b) = 0;
  virtual Var head(Ctx& c, const Var& x, const Batch& b) = 0;  // [1]: this rank's share of the global loss
  // Room for what passes from block to block on this rank: shape and type, no numbers yet.
  virtual Tensor hidden(const Ctx& c, const Batch& b) const = 0;
  virtual std::int64_t tokens(const Batch& b) const = 0;
  virtual Flops forward_flops(const Batch& b) const = 0;
};

// Runs consecutive blocks of a model. Where they begin with the model's first, x is ignored and the batch is embedded;
// where they end with its last, the result is the loss. With `recompute` each block keeps only its input and runs again
// in the backward pass.
Var run_blocks(Model& m, Ctx& c, const Batch& b, Range blocks, Var x, bool recompute);
inline Var loss_of(Model& m, Ctx& c, const Batch& b, bool recompute) {
  return run_blocks(m, c, b, {0, m.blocks()}, {}, recompute);
}

}  // namespace lact
