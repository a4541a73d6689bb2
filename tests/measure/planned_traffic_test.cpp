// What each axis exchanges for one more micro-batch, as formulas, summed over all ranks of the axis.
#include <gtest/gtest.h>

#include "base/check.hpp"
#include "measure/plan.hpp"
#include "support/small_plan.hpp"
#include "support/temporary_folder.hpp"
#include "train/layout.hpp"

namespace lact {
namespace {

constexpr std::int64_t layers = 3, dim = 48, samples = 4, views = 8, per_view = 12, fast_heads = 2, head_dim = 24,
                       fast_hidden = 48, f32 = 4;
constexpr std::int64_t stream = samples * views * per_view * dim;                         // the residual stream
constexpr std::int64_t fast_weights = samples * fast_heads * 3 * head_dim * fast_hidden;  // W0, W1, W2 of all samples

const Machine machine = any_machine();

RunConfig config(bool recompute, std::int64_t micro_batches) {
  RunConfig cfg = small_config(layers, views / 2, views / 2);
  cfg.parallel.cp_mode = "tokens";
  cfg.train.activation_checkpointing = recompute;
  cfg.train.accumulate = micro_batches, cfg.train.batch_size = samples * micro_batches;
  return cfg;
}

struct Exchanged {
  std::int64_t calls = 0, bytes = 0;  // calls of one rank, bytes of all
};

Exchanged of_step(const RunConfig& cfg, const Grid& grid, const std::string& axes) {
  Exchanged e;
  for (int rank = 0; rank < grid.ranks(); ++rank) {
    const Traffic::Row all = plan_rank(cfg, grid, rank, machine).lines.at(axes).traffic.total();
    e.bytes += all.bytes;
    e.calls = std::max(e.calls, all.calls);
  }
  return e;
}

// What the third micro-batch of a step adds to two.
Exchanged of_micro_batch(bool recompute, const Grid& grid, const std::string& axes) {
  const Exchanged two = of_step(config(recompute, 2), grid, axes), three = of_step(config(recompute, 3), grid, axes);
  return {three.calls - two.calls, three.bytes - two.bytes};
}

TEST(PlannedTraffic, ContextSumsGradientsOfFastWeightsToTheirOwnersAndPublishesTheSteps) {
  for (int n : {2, 4})
    for (bool recompute : {false, true}) {
      // forward: towards the owners and back to all; the backward's adjoints are as many
      const std::int64_t passes = recompute ? 3 : 2;
      const Exchanged e = of_micro_batch(recompute, Grid{{1, 1, n, 1}}, "cp");
      EXPECT_EQ(e.calls, layers * 2 * passes);
      EXPECT_EQ(e.bytes, layers * 2 * passes * (n - 1) * fast_weights * f32) << "whatever the number of tokens";
    }
}

TEST(PlannedTraffic, TensorRanksGatherAndScatterTheStreamAroundEverySubLayer) {
  for (bool recompute : {false, true}) {
    constexpr std::int64_t n = 2, sub_layers_of_a_block = 3;
    const std::int64_t passes = recompute ? 3 : 2;
    const Exchanged e = of_micro_batch(recompute, Grid{{1, 1, 1, int(n)}}, "tp");
    EXPECT_EQ(e.calls, layers * sub_layers_of_a_block * 2 * passes);
    EXPECT_EQ(e.bytes, layers * sub_layers_of_a_block * 2 * passes * (n - 1) * stream * f32);
  }
}

TEST(PlannedTraffic, APipelinePassesTheStreamOverEachBoundaryAndItsCotangentBack) {
  for (int n : {2, 3}) EXPECT_EQ(of_micro_batch(false, Grid{{n, 1, 1, 1}}, "pp").bytes, 2 * (n - 1) * stream * f32);
}

TEST(PlannedTraffic, SamplesExchangeGradientsAndWeightsOnceAStep) {
  for (int n : {2, 4}) {
    const Grid grid{{1, n, 1, 1}};
    const Exchanged once = of_step(config(false, 1), grid, "dp");
    // each rank's weights are padded to whole shards
    const double padded = plan_rank(config(false, 1), grid, 0, machine).memory.weights;
    EXPECT_EQ(once.calls, 2) << "one bucket";
    EXPECT_EQ(double(once.bytes), 2 * (n - 1) * padded);
    const Exchanged more = of_micro_batch(false, grid, "dp");
    EXPECT_EQ(more.calls, 0);
    EXPECT_EQ(more.bytes, 0);
  }
}

TEST(PlannedTraffic, OfALongStepIsThatOfItsMicroBatches) {
  for (const Grid& grid : {Grid{{1, 1, 2, 1}}, Grid{{2, 1, 1, 1}}, Grid{{2, 2, 1, 1}}}) {
    const PlannedRank a = plan_rank(config(true, 12), grid, 0, machine),
                      b = plan_rank(config(true, 13), grid, 0, machine),
                      c = plan_rank(config(true, 14), grid, 0, machine);
    EXPECT_NEAR(c.seconds - b.seconds, b.seconds - a.seconds, 1e-6 * a.seconds);
    for (const auto& [label, line] : a.lines)
      EXPECT_EQ(c.lines.at(label).traffic.total().bytes - b.lines.at(label).traffic.total().bytes,
                b.lines.at(label).traffic.total().bytes - line.traffic.total().bytes)
          << label;
    EXPECT_EQ(a.memory.total(), c.memory.total()) << "1F1B keeps no more micro-batches alive";
  }
}

TEST(Plan, FastestThatFitsComesFirst) {
  Machine small = machine;
  small.ranks_per_node = 4;
  const auto all = plan_all(config(false, 2), small);
  EXPECT_EQ(all.size(), 2 * possible_layouts(config(false, 2), 4).size());
  for (std::size_t i = 1; i < all.size(); ++i) {
    EXPECT_TRUE(all[i - 1].fits && all[i].fits);
    EXPECT_LE(all[i - 1].seconds, all[i].seconds);
  }
  small.memory_gb = all[0].largest.total() / 1e9 * 0.999;
  const auto tight = plan_all(config(false, 2), small);
  EXPECT_TRUE(tight.front().fits);
  EXPECT_FALSE(tight.back().fits);
  EXPECT_NE(text_of(tight.front().grid) + std::to_string(tight.front().recompute),
            text_of(all.front().grid) + std::to_string(all.front().recompute));
}

TEST(Plan, ALinkAcrossHostsTakesItsTime) {
  Machine one = machine, two = machine;
  one.ranks_per_node = 4;
  two.ranks_per_node = 2, two.nodes = 2, two.across = {.latency_us = 100, .gb_per_second = 0.01};
  const Grid grid{{1, 1, 4, 1}};
  const PlannedLayout near = plan_layout(config(false, 1), grid, one), far = plan_layout(config(false, 1), grid, two);
  EXPECT_GT(far.slowest.lines.at("cp").waiting, 10 * near.slowest.lines.at("cp").waiting);
  EXPECT_NEAR(far.seconds - near.seconds,
              far.slowest.lines.at("cp").waiting - near.slowest.lines.at("cp").waiting +
                  far.slowest.lines.at("world").waiting - near.slowest.lines.at("world").waiting,
              1e-9);
}

TEST(Machine, FilesAreReadAndImpossibleOnesRefused) {
  for (const char* path : {"configs/machines/two_cores.yaml", "configs/machines/eight_gpus.yaml"})
    EXPECT_GT(Machine::load(path).ranks(), 1) << path;
  const TemporaryFolder folder;
  const std::string path = folder.write("machine.yaml",
                                        "nodes: 2\nmemory_gb: 1\nproduct_gflops: 1\nattention_gflops: 1\n"
                                        "memory_gb_per_second: 1\ninside: {gb_per_second: 1}\n");
  const auto load = [&] { Machine::load(path); };
  EXPECT_EQ(sentence_of(load), path + ": a link needs a positive gb_per_second and a latency_us that is not negative");
  folder.write("machine.yaml", "ranks_per_node: 0\n");
  EXPECT_EQ(sentence_of(load), path + ": 1 nodes of 0 ranks are no machine of 1 to 32768 ranks");
}

}  // namespace
}  // namespace lact
