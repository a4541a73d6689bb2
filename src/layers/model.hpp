// What models implement and training runs.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "layers/context.hpp"
#include "layers/parameters/store.hpp"
#include "tensor/batch.hpp"

namespace lact {

// Floating-point operations of one forward pass over the samples of a batch, whatever part of their tokens this rank
// holds, by kind. A product of [m, k] and [k, n] counts 2 m k n.
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
  // The block that a parameter belongs to; -1 for the embedding, blocks() for the head.
  virtual std::int64_t place_of(const std::string& parameter) const = 0;
  virtual Var embed(Ctx& c, const Batch& b) = 0;
  virtual Var block(Ctx& c, int i, const Var& x, const Batch& b) = 0;
  virtual Var head(Ctx& c, const Var& x, const Batch& b) = 0;  // [1]: this rank's share of the global loss
  // Room for what passes from block to block on this rank: shape and type, no numbers yet.
  virtual Tensor hidden(const Ctx& c, const Batch& b) const = 0;
  virtual std::int64_t tokens(const Batch& b) const = 0;  // of whole samples, as above
  virtual Flops forward_flops(const Batch& b) const = 0;

  // The blocks of each stage of a pipeline, in turn on its ranks; all are one stage until something else is said.
  std::vector<Range> stages() const { return stages_.empty() ? std::vector<Range>{{0, blocks()}} : stages_; }
  void cut_into(std::vector<Range> stages) { stages_ = std::move(stages); }

 private:
  std::vector<Range> stages_;
};

// Runs consecutive blocks of a model. Where they begin with the model's first, x is ignored and the batch is embedded;
// where they end with its last, the result is the loss. With `recompute` each block keeps only its input and runs again
// in the backward pass.
Var run_blocks(Model& m, Ctx& c, const Batch& b, Range blocks, Var x, bool recompute);
// Outside of training steps: what the rank that has a stage makes of it, on every rank of the pipeline.
Var made_by_stage(const Model& m, Ctx& c, std::size_t stage, const Shape& shape, DType type,
                  const std::function<Var()>& make);
// Outside of training steps: what goes into the last stage, on every rank of the pipeline; empty where there is one
// stage. Collective. `c` records nothing.
Var before_last_stage(Model& m, Ctx& c, const Batch& b);
// The global loss without a backward pass: every stage runs where its parameters are. The sum over cp and tp is this
// rank's samples', the same on all ranks that share them. Collective.
double loss_without_gradients(Model& m, Ctx& c, const Batch& b);
inline Var loss_of(Model& m, Ctx& c, const Batch& b, bool recompute) {
  return run_blocks(m, c, b, {0, m.blocks()}, {}, recompute);
}

}  // namespace lact
