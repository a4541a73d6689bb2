// Forward and backward passes of all micro-batches of a step over the stages of a pipeline. One stage is the same code
// with the shortest list.
#pragma once
#include "layers/model.hpp"
#include "layers/parameters/store.hpp"
#include "parallel/pipeline/schedule.hpp"

namespace lact {

class Pipeline {
 public:
  // `blocks` of every stage, in turn on the ranks of the mesh's pp line.
  Pipeline(Model& model, ParameterStore& store, Mesh& mesh, std::vector<Range> blocks, bool recompute);

  struct Totals {
    Tensor loss;  // f64 [1], of this rank's samples and tokens, on the last stage; 0 on others
    std::int64_t tokens = 0;
    Flops flops;
  };
  // Draws the micro-batches of one global batch, each once and in order.
  using Draw = std::function<Batch(std::int64_t micro)>;
  // Gradients are added to the parameters' buckets, zero before.
  Totals run(const Ctx& c, std::int64_t micro_batches, const Draw& draw);
  // Told when each action begins and when it has ended.
  using Watch = std::function<void(const PipelineAction& action, bool ended)>;
  void watch(Watch w) { watch_ = std::move(w); }

 private:
  struct Step;  // what lives and travels while one step runs
  bool last(int stage) const { return stage + 1 == shape_.stages(); }

  Model& model_;
  ParameterStore& store_;
  Mesh& mesh_;
  std::vector<Range> blocks_;
  PipelineShape shape_;
  PipelineList list_;
  bool recompute_;
  Watch watch_;
};

}  // namespace lact
