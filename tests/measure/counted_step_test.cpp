// A step of training on paper: the same bytes of memory as on the CPU, the operations of the model's formula, and a
// clock that follows the rates.
#include <gtest/gtest.h>

#include "kernels/gated_products.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"
#include "layers/linear.hpp"
#include "models/view_synthesis/model.hpp"
#include "parallel/simulated/paper_ranks.hpp"
#include "tensor/device_paper.hpp"
#include "tensor/kernel_ledger.hpp"
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

ViewBatch batch_on(Device& d) {
  constexpr std::int64_t items = 2, views = 5, h = 24, w = 20;
  ViewBatch b;
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
  set_threads(1);
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

TEST(Paper, OperationsOfAForwardPassAreThoseOfTheFormula) {
  PaperDevice paper(rates);
  Mesh alone = Mesh::alone();
  ParameterStore store;
  ViewSynthesis model(store, model_config());
  store.lay_out(paper, alone, 1);
  Ctx c{nullptr, paper, alone, 1, 0};
  const Batch b = batch_on(paper);
  loss_of(model, c, b, false);
  double counted = 0;
  for (const auto& [kernel, row] : paper.tally()) counted += row.operations;
  EXPECT_EQ(counted, model.forward_flops(b).total());
}

TEST(Paper, KernelsTakeTheirOperationsOrTheirBytesAndACall) {
  PaperDevice paper(rates);
  const Tensor a = Tensor::empty(paper, {1, 100, 200}), b = Tensor::empty(paper, {1, 200, 300}),
               y = Tensor::empty(paper, {1, 100, 300});
  kernels::matmul(y, a, b);
  const double product = 2.0 * 100 * 200 * 300 / rates.product + rates.call;
  EXPECT_DOUBLE_EQ(paper.seconds(), product) << "a product of 12 MFLOP outlasts its 440 kB";
  kernels::binary(kernels::Binary::add, y, y, y);
  EXPECT_DOUBLE_EQ(paper.seconds(), product + 3 * 4.0 * 100 * 300 / rates.memory + rates.call);
  EXPECT_EQ(paper.tally().at("add").calls, 1);
}

TEST(Paper, AProductJoinedWithItsGateCountsAsItsParts) {
  auto swiglu_on = [](Device& d) {
    auto made = [&](const Shape& s) { return Tensor::zeros(d, s); };
    const Tensor x = made({1, 100, 20}), w = made({1, 20, 30}), m = made({1, 100, 30}), g = made({1, 100, 30}),
                 h = made({1, 100, 30});
    kernels::swiglu_products(m, g, h, x, w, w);
  };
  PaperDevice paper(rates);
  swiglu_on(paper);
  const auto cpu = Device::open(Backend::cpu);
  MeasuredKernels measured(*cpu);
  swiglu_on(*cpu);
  for (const auto& rows : {paper.tally(), measured.rows()}) {
    EXPECT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows.at("matmul").calls, 2);
    EXPECT_EQ(rows.at("matmul").operations, 2 * 2.0 * 100 * 20 * 30);
    EXPECT_EQ(rows.at("matmul").bytes, 2 * 4.0 * (100 * 30 + 100 * 20 + 20 * 30));
    EXPECT_EQ(rows.at("swiglu").calls, 1);
    EXPECT_EQ(rows.at("swiglu").bytes, 4.0 * 3 * 100 * 30);
    EXPECT_GT(rows.at("swiglu").seconds, 0);
  }
}

}  // namespace
}  // namespace lact
