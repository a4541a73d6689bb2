// A step of training on paper: the same bytes of memory as on the CPU, the operations of the model's formula, and a
// clock that follows the rates.
#include <gtest/gtest.h>

#include "kernels/pointwise.hpp"
#include "layers/linear.hpp"
#include "models/view_synthesis.hpp"
#include "parallel/paper.hpp"
#include "train/learner.hpp"

namespace lact {
namespace {

constexpr PaperRates rates{.product = 1e9, .attention = 5e8, .memory = 1e9, .call = 1e-6};

ViewSynthesisConfig model_config() {
  ViewSynthesisConfig cfg;
  cfg.patch_size = 4, cfg.dim = 48, cfg.layers = 3;
  cfg.block_config = ViewSynthesisConfig::default_blocks();
  cfg.block_config[0].params.head_dim = 24;
  cfg.block_config[1].params.head_dim = 24;
  return cfg;
}

Batch batch_on(Device& d) {
  constexpr std::int64_t items = 2, views = 5, h = 24, w = 20;
  Batch b;
  b.images = Tensor::zeros(d, {items, views, 3, h, w});
  b.intrinsics = Tensor::zeros(d, {items, views, 4});
  kernels::fill(b.intrinsics, 1);
  b.poses = Tensor::zeros(d, {items, views, 4, 4});
  kernels::fill(b.poses, 0.5);
  b.input_views = 3, b.target_views = 2;
  b.valid = double(items * b.target_views * 3 * h * w);
  return b;
}

struct Used {
  std::size_t held = 0, peak = 0;
  Flops forward;
};

Used step_on(Device& d, Mesh& mesh, bool recompute) {
  ParameterStore store;
  ViewSynthesis model(store, model_config());
  store.lay_out(d, mesh, 1);
  LearningConfig learning;
  learning.activation_checkpointing = recompute;
  Learner learner(model, store, mesh, d, learning, 1);
  d.reset_peak();
  Used u;
  u.held = d.memory().now;
  u.forward = learner.step(0, 2, [&](std::int64_t) { return batch_on(d); }).flops;
  u.peak = d.memory().peak;
  return u;
}

TEST(Paper, AStepNeedsTheMemoryThatItNeedsOnTheCpu) {
  for (bool recompute : {false, true}) {
    const auto cpu = Device::open(Backend::cpu);
    PaperDevice paper(rates);
    Mesh alone = Mesh::alone(), on_paper = Mesh::alone();
    const Used real = step_on(*cpu, alone, recompute), planned = step_on(paper, on_paper, recompute);
    EXPECT_EQ(planned.held, real.held);
    EXPECT_EQ(planned.peak, real.peak) << "recompute " << recompute;
    EXPECT_EQ(paper.memory().now, 0u) << "everything was given back";
  }
}

TEST(Paper, OperationsAreThoseOfTheFormula) {
  PaperDevice paper(rates);
  Mesh alone = Mesh::alone();
  const Used u = step_on(paper, alone, false);
  for (const auto& [name, row] : paper.tally())
    std::printf("%-24s %6ld calls %12.3g flop %12.3g bytes %10.3g s\n", name.c_str(), long(row.calls), row.operations, row.bytes, row.seconds);
  std::printf("%g %g\n", u.forward.total(), paper.seconds());
}

}  // namespace
}  // namespace lact
