#include "measure/plan.hpp"

#include <algorithm>
#include <cmath>

#include "measure/kept_memory.hpp"
#include "parallel/pipeline/calls.hpp"
#include "train/layout.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

// Takes the seconds of forwards and backwards, stage by stage.
class StageSeconds {
 public:
  explicit StageSeconds(const PaperDevice& device) : device_(device) {}
  void operator()(const PipelineAction& a, bool ended) {
    if (!ended) {
      began_ = device_.seconds();
      return;
    }
    if (a.kind == PipelineAction::exchange) return;
    Sum& s = stages_[a.stage];
    (a.kind == PipelineAction::forward ? s.forward : s.backward) += device_.seconds() - began_;
    s.count += a.kind == PipelineAction::forward;
  }
  std::map<int, PlannedRank::Stage> means() const {
    std::map<int, PlannedRank::Stage> out;
    for (const auto& [stage, s] : stages_) out[stage] = {s.forward / s.count, s.backward / s.count};
    return out;
  }

 private:
  struct Sum {
    double forward = 0, backward = 0, count = 0;
  };
  const PaperDevice& device_;
  double began_ = 0;
  std::map<int, Sum> stages_;
};

// The second of two steps: the first leaves weights on their way.
PlannedRank rank_with(const RunConfig& cfg, const Grid& grid, int rank, const Machine& machine) {
  auto on_paper = std::make_unique<PaperDevice>(machine.rates());
  PaperDevice& device = *on_paper;
  auto link = [&](Axes along) { return machine.link(grid.line(rank, along)); };
  LoadedModel m(cfg, std::make_unique<Mesh>(mesh_on_paper(grid, rank, link)), std::move(on_paper));
  Learner learner(*m.model, m.store, *m.mesh, device, cfg.train, 0);
  const std::int64_t samples = samples_of_micro_batch(cfg) / grid.size[std::size_t(Axis::dp)];
  auto step = [&](std::int64_t n) {
    learner.step(n, cfg.train.accumulate, [&](std::int64_t) { return cfg.task->blank_batch(device, samples); });
  };
  PlannedRank r;
  for (const auto& b : m.store.buckets()) {
    auto bytes = [](const Tensor& t) { return double(t.count() * size_of(t.dtype())); };
    r.memory.weights += bytes(b.value), r.memory.gradients += bytes(b.gradient);
    r.memory.optimizer += bytes(b.first) + bytes(b.second);
  }
  step(0);
  for (Communicator* c : m.mesh->communicators()) c->reset_traffic();
  device.clear_tally(), device.reset_peak();
  StageSeconds stages(device);
  KeptMemory kept(device);
  learner.pipeline().watch([&](const PipelineAction& a, bool ended) { stages(a, ended), kept(ended); });
  const double begin = device.seconds();
  step(1);
  r.seconds = r.computing = device.seconds() - begin;
  r.stages = stages.means();
  r.kernels = device.tally();
  for (Communicator* c : m.mesh->communicators()) {
    if (c->size() == 1) continue;
    PlannedLine& line = r.lines[c->label()];
    line.traffic = c->traffic();
    auto waited = device.tally().find(paper_line(c->label()));
    line.waiting = waited == device.tally().end() ? 0 : waited->second.seconds;
    r.computing -= line.waiting;
  }
  r.memory.activations = double(kept.bytes());
  r.memory.working = double(device.memory().peak) - r.memory.total();
  return r;
}

Traffic extended(const Traffic& a, const Traffic& b, double t) {
  Traffic out;
  for (std::size_t i = 0; i < op_kinds; ++i) {
    auto along = [t](std::int64_t x, std::int64_t y) { return x + std::llround(double(y - x) * t); };
    out.rows[i] = {along(a.rows[i].calls, b.rows[i].calls), along(a.rows[i].bytes, b.rows[i].bytes), 0, 0};
  }
  return out;
}

}  // namespace

// From some micro-batches on a step grows by the same with each one more: two short steps tell what a long one needs.
PlannedRank plan_rank(const RunConfig& cfg, const Grid& grid, int rank, const Machine& machine) {
  const std::int64_t pp = grid.size[std::size_t(Axis::pp)], fewer = pp == 1 ? 1 : 2 * pp, more = fewer + pp;
  const std::int64_t wanted = cfg.train.accumulate;
  if (wanted <= more) return rank_with(cfg, grid, rank, machine);
  auto with = [&](std::int64_t micro_batches) {
    RunConfig c = cfg;
    c.train.accumulate = micro_batches;
    c.train.batch_size = cfg.train.batch_size / wanted * micro_batches;
    return rank_with(c, grid, rank, machine);
  };
  const PlannedRank a = with(fewer), b = with(more);
  const double t = double(wanted - fewer) / double(more - fewer);
  PlannedRank r = b;
  r.seconds = a.seconds + (b.seconds - a.seconds) * t;
  r.computing = a.computing + (b.computing - a.computing) * t;
  for (auto& [name, row] : r.kernels) {
    const KernelLedger::Row first = a.kernels.contains(name) ? a.kernels.at(name) : KernelLedger::Row();
    auto extend = [t](double& to, double from) { to = from + (to - from) * t; };
    row.calls = first.calls + std::llround(double(row.calls - first.calls) * t);
    extend(row.operations, first.operations), extend(row.bytes, first.bytes), extend(row.seconds, first.seconds);
  }
  for (auto& [label, line] : r.lines) {
    const PlannedLine& first = a.lines.at(label);
    line.waiting = first.waiting + (line.waiting - first.waiting) * t;
    line.traffic = extended(first.traffic, line.traffic, t);
  }
  return r;
}

namespace {

// Seconds of the pipeline when its ranks' stages take so long, and the share of them without work.
std::pair<double, double> pipeline_seconds(const RunConfig& cfg, const Grid& grid, const Machine& machine,
                                           const std::vector<PlannedRank>& of_stage_rank) {
  const PipelineShape shape{grid.size[std::size_t(Axis::pp)], int(cfg.train.accumulate), int(cfg.parallel.interleave)};
  const Grid line{{shape.ranks, 1, 1, 1}};
  const Costs costs = costs_of_micro_batch(cfg);
  const double activation =
      double(size_of(cfg.train.activations()) * costs.tokens * costs.width) / double(grid.ranks() / shape.ranks);
  const double travels = machine.link(grid.line(0, Axis::pp)).seconds(Op::exchange, shape.ranks, activation);
  auto stage_of = [&](int rank, int stage) {
    const PlannedRank::Stage& s = of_stage_rank[std::size_t(rank)].stages.at(stage);
    RankCall forward, backward;
    forward.seconds = s.forward, backward.seconds = s.backward;
    StageCalls calls;
    calls.forward = {forward}, calls.backward = {backward};
    return calls;
  };
  const Rehearsal r = rehearse(line, pipeline_calls(line, shape, pipeline_lists(shape), stage_of, travels));
  double working = 0;
  for (double w : r.working) working += w / shape.ranks;
  return {r.seconds, 1 - working / r.seconds};
}

}  // namespace

PlannedLayout plan_layout(const RunConfig& cfg, const Grid& grid, const Machine& machine) {
  PlannedLayout out{.grid = grid, .recompute = cfg.train.activation_checkpointing};
  auto [pp, dp, cp, tp] = grid.size;
  std::vector<PlannedRank> of_stage_rank;
  double beside_stages = 0;  // what a step takes before and behind its micro-batches
  for (int stage_rank = 0; stage_rank < pp; ++stage_rank) {
    // the first rank of a stage owns the most matrices to orthogonalise, the last holds the most tokens
    std::vector<std::array<int, 4>> places{{stage_rank, 0, 0, 0}};
    if (cp * tp > 1) places.push_back({stage_rank, 0, cp - 1, tp - 1});
    PlannedRank slowest;
    for (const auto& place : places) {
      PlannedRank r = plan_rank(cfg, grid, grid.rank_at(place), machine);
      if (r.memory.total() > out.largest.total()) out.largest = r.memory;
      if (r.seconds > slowest.seconds) slowest = std::move(r);
    }
    double in_stages = 0;
    for (const auto& [stage, s] : slowest.stages) in_stages += double(cfg.train.accumulate) * (s.forward + s.backward);
    beside_stages = std::max(beside_stages, slowest.seconds - in_stages);
    if (slowest.seconds > out.slowest.seconds) out.slowest = slowest;
    of_stage_rank.push_back(std::move(slowest));
  }
  out.seconds = out.slowest.seconds;
  if (pp > 1) {
    auto [seconds, bubble] = pipeline_seconds(cfg, grid, machine, of_stage_rank);
    out.seconds = seconds + beside_stages, out.bubble = bubble;
  }
  out.tokens_per_second = double(costs_of_micro_batch(cfg).tokens * cfg.train.accumulate) / out.seconds;
  out.fits = out.largest.total() <= machine.memory_gb * 1e9;
  return out;
}

std::vector<PlannedLayout> plan_all(const RunConfig& cfg, const Machine& machine) {
  std::vector<PlannedLayout> all;
  RunConfig c = cfg;
  for (const Grid& grid : possible_layouts(cfg, machine.ranks()))
    for (bool recompute : {false, true}) {
      c.train.activation_checkpointing = recompute;
      all.push_back(plan_layout(c, grid, machine));
    }
  std::ranges::stable_sort(all, [](const PlannedLayout& a, const PlannedLayout& b) {
    return a.fits != b.fits ? a.fits : a.seconds < b.seconds;
  });
  return all;
}

}  // namespace lact
