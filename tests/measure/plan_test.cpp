// What a plan says of bytes, calls and memory is what the ranks do, in every layout of the ranks that ctest starts.
#include <gtest/gtest.h>

#include "measure/plan.hpp"
#include "support/ranks.hpp"
#include "support/small_plan.hpp"
#include "train/layout.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

RunConfig config(bool recompute, std::int64_t micro_batches) {
  RunConfig cfg = small_config(4, 3, 2);
  cfg.train.activation_checkpointing = recompute;
  cfg.train.accumulate = micro_batches, cfg.train.batch_size = 12 * micro_batches;
  return cfg;
}

struct Done {
  std::map<std::string, Traffic> traffic;  // of one step
  double memory = 0;                       // peak of that step
};

Done step_on_ranks(const RunConfig& cfg, const Grid& grid) {
  auto mesh = std::make_unique<Mesh>(grid, world().split(0, world().rank(), "world"));
  LoadedModel m(cfg, std::move(mesh), Device::open(Backend::cpu));
  Learner learner(*m.model, m.store, *m.mesh, *m.device, cfg.train, 0);
  auto draw = [&](std::int64_t) {
    const Batch b = cfg.task->noise_batch(*m.device, samples_of_micro_batch(cfg) / grid.size[1]);
    dawdle(world(), 0.5);
    return b;
  };
  learner.step(0, cfg.train.accumulate, draw);
  m.store.settle();
  for (Communicator* c : m.mesh->communicators()) c->reset_traffic();
  m.device->reset_peak();
  EXPECT_EQ(learner.step(1, cfg.train.accumulate, draw).skipped, "");
  Done done;
  done.memory = double(m.device->memory().peak);
  for (Communicator* c : m.mesh->communicators())
    if (c->size() > 1) done.traffic[c->label()] = c->traffic();
  m.store.settle();
  return done;
}

class PlanOfEveryLayout : public ::testing::TestWithParam<std::pair<bool, std::int64_t>> {};

TEST_P(PlanOfEveryLayout, SaysWhatTheRanksDo) {
  set_threads(1);
  const auto [recompute, micro_batches] = GetParam();
  const RunConfig cfg = config(recompute, micro_batches);
  const auto layouts = possible_layouts(cfg, world().size());
  EXPECT_FALSE(layouts.empty());
  for (const Grid& grid : layouts) {
    const Done done = step_on_ranks(cfg, grid);
    const PlannedRank plan = plan_rank(cfg, grid, world().rank(), any_machine());
    EXPECT_EQ(plan.lines.size(), done.traffic.size()) << text_of(grid);
    for (const auto& [label, traffic] : done.traffic)
      for (std::size_t op = 0; op < op_kinds; ++op) {
        const Traffic::Row& planned = plan.lines.at(label).traffic.rows[op];
        EXPECT_EQ(planned.calls, traffic.rows[op].calls) << text_of(grid) << " " << label << " " << name_of(Op(op));
        EXPECT_EQ(planned.bytes, traffic.rows[op].bytes) << text_of(grid) << " " << label << " " << name_of(Op(op));
      }
    // what kernels of the CPU take for a moment, partial sums for instance, is not planned
    EXPECT_GE(done.memory, plan.memory.total()) << text_of(grid);
    EXPECT_LE(done.memory, 1.01 * plan.memory.total()) << text_of(grid);
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, PlanOfEveryLayout, ::testing::Values(std::pair(true, 2), std::pair(false, 3)));

}  // namespace
}  // namespace lact
