// What models implement and training runs.
#pragma once
#include "layers/parameters.hpp"
#include "tensor/batch.hpp"

namespace lact {

// Floating-point operations of one forward pass over this rank's tokens, by kind; a product of m x k and k x n counts 2
// m k n.
struct Flops {
  double linear = 0, attention = 0, update = 0, apply = 0, newton_schulz = 0;
  double total() const { return linear + attention + update + apply + newton_schulz; }
};

struct Model {
  virtual ~Model() = default;
  virtual int blocks() const = 0;
  virtual Var embed(Ctx& c, const Batch& b) = 0;
  virtual Var block(Ctx& c, int i, const Var& x, const Batch& b) = 0;
  virtual Var head(Ctx& c, const Var& x, const Batch& b) = 0;  // [1]: this rank's share of the global loss
  virtual std::int64_t tokens(const Batch& b) const = 0;
  virtual Flops forward_flops(const Batch& b) const = 0;
};

// The whole forward pass. With `recompute` each block keeps only its input and runs again in the backward pass.
Var loss_of(Model& m, Ctx& c, const Batch& b, bool recompute);

}  // namespace lact
