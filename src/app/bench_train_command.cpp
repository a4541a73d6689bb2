#include <cmath>
#include <iostream>
#include <limits>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "files/json.hpp"
#include "measure/memory_advice.hpp"
#include "tensor/device_clock.hpp"
#include "train/layout.hpp"
#include "train/product_rate.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

struct Parts {
  double forward = 0, backward = 0, optimizer = 0;  // seconds
};

Parts parts_of(Device& d, Learner& learner, const std::function<void()>& take_step) {
  Spans spans(clock_of(d));
  learner.record(&spans);
  take_step();
  learner.record(nullptr);
  d.compute().finish();
  spans.settle();
  Parts p;
  for (const Span& s : spans.all()) {
    const double seconds = s.end - s.begin;
    if (s.kind == "optimizer") p.optimizer += seconds;
    if (s.kind != "block") continue;
    if (s.name.starts_with("forward")) p.forward += seconds;
    if (s.name.starts_with("backward")) p.backward += seconds;
  }
  return p;
}

int bench_step(const RunConfig& cfg, std::int64_t steps, std::int64_t product, bool json) {
  LoadedModel loaded(cfg);
  Device& d = *loaded.device;
  Learner learner(*loaded.model, loaded.store, *loaded.mesh, d, cfg.train, std::uint64_t(cfg.train.seed),
                  cfg.compute.graphs);
  // What is in the samples changes no time.
  const Batch batch = cfg.task->noise_batch(d, samples_of_micro_batch(cfg));
  const double rate = measured_product_rate(d, cfg.train.activations(), product);
  d.reset_peak();
  StepReport last;
  std::int64_t step = 0;
  auto take_step = [&] {
    last = learner.step(step++, cfg.train.accumulate, [&](std::int64_t) { return batch; });
    loaded.store.settle();
  };
  const double seconds = median_seconds(d, steps, take_step);
  const std::size_t peak = d.memory().peak;
  const bool graph = learner.replayed();
  const Parts parts = parts_of(d, learner, take_step);
  const double flops = 3 * (last.flops.total() - last.flops.newton_schulz);
  const Json out = Json::object({{"device", d.name()},
                                 {"precision", cfg.train.precision},
                                 {"parameters", loaded.store.count()},
                                 {"tokens", last.tokens},
                                 {"seconds", seconds},
                                 {"tokens_per_second", double(last.tokens) / seconds},
                                 {"forward_seconds", parts.forward},  // of the blocks, in one step more
                                 {"backward_seconds", parts.backward},
                                 {"optimizer_seconds", parts.optimizer},
                                 {"graph", graph},
                                 {"peak_bytes", std::int64_t(peak)},
                                 {"model_flops", flops},  // Newton-Schulz and recomputation are not counted
                                 {"product_flops_per_second", rate},
                                 {"utilisation", flops / seconds / rate},
                                 {"loss", last.loss}});
  if (json) {
    std::cout << out.dump() << "\n";
    return std::isfinite(last.loss) ? exit_done : exit_error;
  }
  std::cout << fill(
      "{}, {}: {} parameters, {} tokens a step\n{:.4f} s, {:.0f} tokens/s, {:.2f} GB, {:.1f} TFLOP a step, "
      "{:.1f} % of {:.2f} TFLOP/s\n",
      {d.name(), cfg.train.precision, loaded.store.count(), last.tokens, seconds, double(last.tokens) / seconds,
       double(peak) / 1e9, flops / 1e12, 100 * flops / seconds / rate, rate / 1e12});
  return std::isfinite(last.loss) ? exit_done : exit_error;
}

}  // namespace

int bench_train_command(const Arguments& args, bool json) {
  Arguments rest = args;
  const std::int64_t steps = rest.take_number("steps", "5"), product = rest.take_number("product", "0");
  check(steps > 0, "steps={} is not positive", steps);
  check(product >= 0, "product={} is negative", product);
  RunConfig cfg =
      rest.plain.empty() ? RunConfig::from_overrides(rest.overrides) : RunConfig::load(rest.plain[0], rest.overrides);
  cfg.train.free_steps = std::numeric_limits<std::int64_t>::max();  // every step is made
  int status = exit_error;
  with_memory_advice(cfg, 1, [&] { status = bench_step(cfg, steps, product, json); });
  return status;
}

}  // namespace lact
