#include <algorithm>
#include <cmath>
#include <iostream>

#include "app/bench.hpp"
#include "autograd/ops.hpp"
#include "files/json.hpp"
#include "layers/fast_weights/run_plan.hpp"
#include "train/product_rate.hpp"

namespace lact {
namespace {

struct FastWeightsConfig {
  BenchPlace place;
  std::int64_t head_dim = 768, heads = 1, tokens = 32768, chunk = 0, steps = 5, runs = 5, product = 0;
  double inter_multi = 2;
  void fields(Fields& f) {
    place.fields(f);
    f("head_dim", head_dim, "width of a head");
    f("inter_multi", inter_multi, "hidden width as a multiple of it");
    f("heads", heads, "heads of all samples together");
    f("tokens", tokens, "of each head");
    f("chunk", chunk, "tokens of an update, each applied before its own; 0: one update of all, then applied to all");
    f("steps", steps, "of Newton-Schulz");
    f("runs", runs, "measurements of which the median counts");
    f("product", product, "side of the product that the rate is measured with; 0: as large as it takes");
  }
  std::int64_t hidden() const { return std::int64_t(double(head_dim) * inter_multi); }
  TttPlan plan() const { return chunk > 0 ? plan_causal(tokens, chunk) : plan_views(tokens, 0); }
  void check_values() const {
    check(head_dim > 0 && heads > 0 && tokens > 0 && runs > 0, "head_dim={}, heads={}, tokens={} and runs={}: positive",
          head_dim, heads, tokens, runs);
    check(chunk >= 0 && steps >= 0 && product >= 0, "chunk={}, steps={} and product={} must not be negative", chunk,
          steps, product);
    check(hidden() > 0, "inter_multi={} leaves no hidden units", inter_multi);
  }
  FastWeightsConfig small() const {  // of about the same shape, for the f64 judge
    FastWeightsConfig s = *this;
    s.head_dim = std::min<std::int64_t>(head_dim, 48), s.heads = std::min<std::int64_t>(heads, 2);
    s.tokens = std::min<std::int64_t>(tokens, 200), s.chunk = std::min<std::int64_t>(chunk, 64);
    return s;
  }
};

// q, k, v, three rates and three matrices of a head, as a layer hands them over.
std::vector<Tensor> inputs(Device& d, DType t, const FastWeightsConfig& cfg) {
  const DType wide = t == DType::bf16 ? DType::f32 : t;
  const std::int64_t b = cfg.heads, n = cfg.tokens, w = cfg.head_dim, h = cfg.hidden();
  auto tokens = [&](const char* name, double deviation) { return drawn(d, t, {b, n, w}, name, deviation); };
  auto rates = [&](const char* name) {
    return square(Var(drawn(d, wide, {b, n, 1}, name, 0.125))).value();  // positive, about 0.01
  };
  auto weights = [&](const char* name, std::int64_t rows, std::int64_t columns) {
    return drawn(d, wide, {b, rows, columns}, name, std::sqrt(2 / double(rows)));
  };
  const double length_one = 1 / std::sqrt(double(w));
  return {tokens("q", length_one), tokens("k", length_one), tokens("v", 1),      rates("rate0"),     rates("rate1"),
          rates("rate2"),          weights("w0", w, h),     weights("w1", h, w), weights("w2", w, h)};
}

class FastWeightsBench {
 public:
  FastWeightsBench(Device& d, DType t, const FastWeightsConfig& cfg)
      : device_(d),
        plan_(cfg.plan()),
        in_(inputs(d, t, cfg)),
        dy_(drawn(d, t, {cfg.heads, cfg.tokens, cfg.head_dim}, "dy")) {
    rule_.orthogonalise = NewtonSchulz::view_synthesis(cfg.steps);
  }
  Var forward() { return of(std::vector<Var>(in_.begin(), in_.end()), nullptr); }
  // The output and the gradients of all inputs.
  std::vector<Tensor> forward_and_backward() {
    Tape tape;
    std::vector<Tensor> results(in_.size() + 1);
    std::vector<Var> x;
    for (std::size_t i = 0; i < in_.size(); ++i)
      x.push_back(tape.leaf(in_[i], [to = &results[i + 1]](const Var& g) {
        if (g) *to = g.value();  // none where nothing updates
      }));
    const Var y = of(x, &tape);
    results[0] = y.value();
    tape.backward(y, cast(Var(dy_), y.value().dtype()));
    return results;
  }

 private:
  Var of(const std::vector<Var>& x, Tape* tape) {
    Ctx c{tape, device_, mesh_};
    const FastWeightTokens tokens{x[0], x[1], x[2], x[3], x[4], x[5], {}};
    return run_fast_weights(c, {x[6], x[7], x[8]}, tokens, plan_, rule_).out;
  }
  Device& device_;
  Mesh mesh_ = Mesh::alone();
  TttPlan plan_;
  FastWeightRule rule_;
  std::vector<Tensor> in_;
  Tensor dy_;
};

// Of output and gradients together, each over its own largest number, with the same numbers in f64 on the CPU.
double error_of(Device& d, DType t, const FastWeightsConfig& cfg) {
  const auto cpu = Device::open(Backend::cpu);
  const auto mine = FastWeightsBench(d, t, cfg).forward_and_backward(),
             judge = FastWeightsBench(*cpu, DType::f64, cfg).forward_and_backward();
  double worst = 0;
  for (std::size_t i = 0; i < mine.size(); ++i)
    if (judge[i].defined()) worst = std::max(worst, relative_difference(mine[i].to_doubles(), judge[i].to_doubles()));
  return worst;
}

Flops flops_of(const FastWeightsConfig& cfg) {
  double updated = 0, applied = 0, updates = 0;
  for (const TttEvent& e : clipped(cfg.plan(), cfg.tokens))
    (e.kind == TttEvent::update ? updated : applied) += double(e.tokens.size()), updates += e.kind == TttEvent::update;
  const auto heads = double(cfg.heads);
  return fast_weight_flops(updated * heads, applied * heads, updates * heads, double(cfg.head_dim),
                           double(cfg.hidden()), double(cfg.steps));
}

}  // namespace

std::string fast_weights_keys() { return keys_of<FastWeightsConfig>(); }

int bench_fast_weights_command(const Arguments& args, bool json) {
  auto cfg = bench_config<FastWeightsConfig>(args);
  cfg.check_values();
  const auto device = cfg.place.open();
  const DType t = cfg.place.type();
  const double rate = measured_product_rate(*device, t, cfg.product);
  device->reset_peak();
  FastWeightsBench bench(*device, t, cfg);
  const double forward = median_seconds(*device, cfg.runs, [&] { bench.forward(); });
  const double both = median_seconds(*device, cfg.runs, [&] { bench.forward_and_backward(); });
  const std::size_t peak = device->memory().peak;
  // Measured: 4e-2 and 4e-6 after one update; later ones start from numbers that are already off.
  const auto updates = double(std::ranges::count(cfg.small().plan(), TttEvent::update, &TttEvent::kind));
  const double error = error_of(*device, t, cfg.small()), bound = (t == DType::bf16 ? 0.1 : 1e-4) * (1 + updates) / 2;
  const Flops f = flops_of(cfg);
  const double flops = 3 * (f.update + f.apply);  // Newton-Schulz is in the time alone
  const Json out = Json::object({{"device", device->name()},
                                 {"precision", cfg.place.precision},
                                 {"head_dim", cfg.head_dim},
                                 {"hidden", cfg.hidden()},
                                 {"heads", cfg.heads},
                                 {"tokens", cfg.tokens},
                                 {"chunk", cfg.chunk},
                                 {"forward_seconds", forward},
                                 {"seconds", both},
                                 {"flops", flops},
                                 {"newton_schulz_flops", 3 * f.newton_schulz},
                                 {"flops_per_second", flops / both},
                                 {"product_flops_per_second", rate},
                                 {"utilisation", flops / both / rate},
                                 {"peak_bytes", std::int64_t(peak)},
                                 {"error", error},
                                 {"error_bound", bound}});
  if (json)
    std::cout << out.dump() << "\n";
  else
    std::cout << fill(
        "{}, {}: {} heads of {} with {} hidden, {} tokens, chunks of {}\nforward {:.3f} ms, with backward {:.3f} ms, "
        "{:.3f} TFLOP/s, {:.1f} % of {:.3f} TFLOP/s, {:.2f} GB, error {:.1e}\n",
        {device->name(), cfg.place.precision, cfg.heads, cfg.head_dim, cfg.hidden(), cfg.tokens,
         cfg.chunk > 0 ? cfg.chunk : cfg.tokens, forward * 1e3, both * 1e3, flops / both / 1e12,
         100 * flops / both / rate, rate / 1e12, double(peak) / 1e9, error});
  return error < bound ? exit_done : exit_error;
}

}  // namespace lact
