#include <iostream>

#include "app/bench.hpp"
#include "files/json.hpp"
#include "layers/fast_weights/newton_schulz.hpp"
#include "train/product_rate.hpp"

namespace lact {
namespace {

struct NewtonSchulzConfig {
  BenchPlace place;
  std::int64_t m = 768, n = 1536, batch = 3, steps = 5, runs = 20;
  void fields(Fields& f) {
    place.fields(f);
    f("m", m, "rows of a matrix");
    f("n", n, "its columns");
    f("batch", batch, "matrices at once; a head of fast weights has three");
    f("steps", steps, "of the iteration");
    f("runs", runs, "measurements of which the median counts");
  }
};

class NewtonSchulzBench {
 public:
  NewtonSchulzBench(Device& d, DType t, const NewtonSchulzConfig& cfg) : ns_(NewtonSchulz::view_synthesis(cfg.steps)) {
    ns_.low = t == DType::bf16;
    const DType wide = ns_.low ? DType::f32 : t;
    x_ = tape_.leaf(drawn(d, wide, {cfg.batch, cfg.m, cfg.n}, "x"));
    dy_ = drawn(d, wide, {cfg.batch, cfg.m, cfg.n}, "dy");
    y_ = ns_(x_);
  }
  Var forward() const { return ns_(Var(x_.value())); }
  Var backward() { return tape_.grad(y_, std::span(&x_, 1), dy_)[0]; }

 private:
  NewtonSchulz ns_;
  Tape tape_;
  Var x_, y_, dy_;
};

// Of result and gradient, with the same numbers in f64 on the CPU.
double error_of(Device& d, DType t, const NewtonSchulzConfig& cfg) {
  const auto cpu = Device::open(Backend::cpu);
  NewtonSchulzBench mine(d, t, cfg), judge(*cpu, DType::f64, cfg);
  auto apart = [](const Var& a, const Var& b) {
    return relative_difference(a.value().to_doubles(), b.value().to_doubles());
  };
  return std::max(apart(mine.forward(), judge.forward()), apart(mine.backward(), judge.backward()));
}

}  // namespace

std::string newton_schulz_keys() { return keys_of<NewtonSchulzConfig>(); }

int bench_newton_schulz_command(const Arguments& args, bool json) {
  auto cfg = bench_config<NewtonSchulzConfig>(args);
  check(cfg.m > 0 && cfg.n > 0 && cfg.batch > 0 && cfg.runs > 0, "m={}, n={}, batch={} and runs={} must be positive",
        cfg.m, cfg.n, cfg.batch, cfg.runs);
  check(cfg.steps >= 0, "steps={} is negative", cfg.steps);
  const auto device = cfg.place.open();
  const DType t = cfg.place.type();
  NewtonSchulzBench bench(*device, t, cfg);
  const double forward = median_seconds(*device, cfg.runs, [&] { bench.forward(); });
  const double backward = median_seconds(*device, cfg.runs, [&] { bench.backward(); });
  NewtonSchulzConfig small = cfg;
  small.m = std::min<std::int64_t>(cfg.m, 96), small.n = std::min<std::int64_t>(cfg.n, 192);
  const double error = error_of(*device, t, small), bound = t == DType::bf16 ? 0.1 : 1e-4;  // measured: 4e-2, 3e-6
  if (json)
    std::cout << Json::object({{"device", device->name()},
                               {"precision", cfg.place.precision},
                               {"m", cfg.m},
                               {"n", cfg.n},
                               {"batch", cfg.batch},
                               {"steps", cfg.steps},
                               {"forward_seconds", forward},
                               {"backward_seconds", backward},
                               {"error", error},
                               {"error_bound", bound}})
                     .dump()
              << "\n";
  else
    std::cout << fill("{}, {}: {} matrices of {} x {}, {} steps\nforward {:.1f} us, backward {:.1f} us, error {:.1e}\n",
                      {device->name(), cfg.place.precision, cfg.batch, cfg.m, cfg.n, cfg.steps, forward * 1e6,
                       backward * 1e6, error});
  return error < bound ? exit_done : exit_error;
}

}  // namespace lact
