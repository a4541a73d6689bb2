#include <cmath>
#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/random.hpp"
#include "files/json.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"
#include "train/product_rate.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

// Posed views of noise: what is in the pictures changes no time.
Batch noise(Device& d, const DataConfig& data, std::int64_t samples) {
  const std::int64_t h = data.height(), w = data.width(), views = data.num_input_views + data.num_target_views;
  auto drawn = [&](Shape s, const char* name, auto&& f) {
    std::vector<float> v(std::size_t(count_of(s)));
    const std::uint64_t key = random_key(1, name);
#pragma omp parallel for
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = float(f(std::int64_t(i), uniform(key, std::int64_t(i))));
    return Tensor::of(d, std::move(s), std::span<const float>(v));
  };
  Batch b;
  b.images = drawn({samples, views, 3, h, w}, "images", [](std::int64_t, double u) { return u; });
  b.intrinsics = drawn({samples, views, 4}, "intrinsics",
                       [&](std::int64_t i, double) { return i % 4 < 2 ? double(w) : double(w) / 2; });
  b.poses = drawn({samples, views, 4, 4}, "poses", [](std::int64_t i, double u) {  // upright, somewhere
    const std::int64_t row = i % 16 / 4, column = i % 4;
    return row == column ? 1 : (column == 3 && row < 3 ? u : 0);
  });
  b.input_views = data.num_input_views, b.target_views = data.num_target_views;
  b.valid = double(samples * data.num_target_views * 3 * h * w);
  return b;
}

struct GemmRow {
  std::int64_t m = 0, n = 0, k = 0;
  double seconds = 0, error = 0;  // error: of one row of the result against f64, over its largest number
};

double error_of_product(Device& d, DType t, std::int64_t k) {
  constexpr std::int64_t m = 16, n = 24;
  std::vector<float> a(std::size_t(m * k)), b(std::size_t(k * n));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = from_bf16(to_bf16(float(normal(2, std::int64_t(i)))));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = from_bf16(to_bf16(float(normal(3, std::int64_t(i)))));
  auto product = [&](DType type, DType result) {
    const Tensor x = Tensor::empty(d, {m, k}, type), w = Tensor::empty(d, {k, n}, type),
                 y = Tensor::empty(d, {m, n}, result);
    kernels::unary(kernels::Unary::copy, x, Tensor::of(d, {m, k}, std::span<const float>(a)));
    kernels::unary(kernels::Unary::copy, w, Tensor::of(d, {k, n}, std::span<const float>(b)));
    kernels::matmul(y, x, w);
    return y.to_doubles();
  };
  const auto mine = product(t, DType::f32), judge = product(DType::f64, DType::f64);
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < mine.size(); ++i)
    worst = std::max(worst, std::abs(mine[i] - judge[i])), largest = std::max(largest, std::abs(judge[i]));
  return worst / largest;
}

}  // namespace

int bench_train_command(const Arguments& args, bool json) {
  Arguments rest = args;
  const auto steps = std::int64_t(std::stod(rest.take("steps", "5")));
  check(steps > 0, "steps={} is not positive", steps);
  RunConfig cfg =
      rest.plain.empty() ? RunConfig::from_overrides(rest.overrides) : RunConfig::load(rest.plain[0], rest.overrides);
  cfg.train.free_steps = std::max<std::int64_t>(cfg.train.free_steps, steps + 2);  // every step is made
  LoadedModel loaded(cfg);
  Device& d = *loaded.device;
  Learner learner(loaded.model, loaded.store, *loaded.mesh, d, cfg.train, std::uint64_t(cfg.train.seed));
  const Batch batch = noise(d, cfg.data, cfg.train.batch_size / cfg.train.accumulate);
  const double rate = measured_product_rate(d, cfg.train.activations());
  d.reset_peak();
  StepReport last;
  std::int64_t step = 0;
  const double seconds = median_seconds(
      d, steps, [&] { last = learner.step(step++, cfg.train.accumulate, [&](std::int64_t) { return batch; }); });
  const double flops = 3 * (last.flops.total() - last.flops.newton_schulz);
  const Json out = Json::object({{"device", d.name()},
                                 {"precision", cfg.train.precision},
                                 {"parameters", loaded.store.count()},
                                 {"tokens", last.tokens},
                                 {"seconds", seconds},
                                 {"tokens_per_second", double(last.tokens) / seconds},
                                 {"peak_bytes", std::int64_t(d.memory().peak)},
                                 {"model_flops", flops},  // Newton-Schulz and recomputation are not counted
                                 {"product_flops_per_second", rate},
                                 {"utilisation", flops / seconds / rate},
                                 {"loss", last.loss}});
  if (json) {
    std::cout << out.dump() << "\n";
    return exit_done;
  }
  std::cout << fill(
      "{}, {}: {} parameters, {} tokens a step\n{:.4f} s, {:.0f} tokens/s, {:.2f} GB, {:.1f} TFLOP a step, "
      "{:.1f} % of {:.2f} TFLOP/s\n",
      {d.name(), cfg.train.precision, loaded.store.count(), last.tokens, seconds, double(last.tokens) / seconds,
       double(d.memory().peak) / 1e9, flops / 1e12, 100 * flops / seconds / rate, rate / 1e12});
  return std::isfinite(last.loss) ? exit_done : exit_error;
}

int bench_gemm_command(const Arguments& args, bool json) {
  Arguments rest = args;
  const Backend backend = backend_named(rest.take("compute.device", "best"));
  const std::string precision = rest.take("precision", backend == Backend::cuda ? "bf16" : "fp32");
  check(rest.overrides.empty(), "unknown key '{}'; bench gemm takes compute.device and precision",
        rest.overrides.empty() ? "" : rest.overrides[0]);
  check(precision == "fp32" || precision == "bf16", "precision={}: fp32 and bf16 are known", precision);
  const auto device = Device::open(backend);
  set_threads(0);
  const DType t = precision == "bf16" ? DType::bf16 : DType::f32;
  const std::int64_t tokens = backend == Backend::cuda ? 16384 : 1024;  // the products of a model of width 768
  std::vector<GemmRow> rows{{tokens, 2304, 768}, {tokens, 768, 768},  {tokens, 3072, 768}, {tokens, 768, 3072},
                            {tokens, 1536, 768}, {768, 3072, tokens}, {768, 1536, tokens}, {768, 768, 1536}};
  Json list = Json::array();
  if (!json)
    std::cout << fill("{}, {}\n{:>7} {:>6} {:>6} {:>10} {:>9} {:>9}\n",
                      {device->name(), precision, "m", "n", "k", "us", "TFLOP/s", "error"});
  bool right = true;
  for (GemmRow& r : rows) {
    r.seconds = product_seconds(*device, t, r.m, r.n, r.k, 10);
    r.error = error_of_product(*device, t, r.k);
    right = right && r.error < 1e-5;
    const double flops = 2.0 * double(r.m * r.n) * double(r.k) / r.seconds;
    list.push(Json::object(
        {{"m", r.m}, {"n", r.n}, {"k", r.k}, {"seconds", r.seconds}, {"flops_per_second", flops}, {"error", r.error}}));
    if (!json)
      std::cout << fill("{:>7} {:>6} {:>6} {:>10.1f} {:>9.3f} {:>9.1e}\n",
                        {r.m, r.n, r.k, r.seconds * 1e6, flops / 1e12, r.error});
  }
  if (json)
    std::cout << Json::object({{"device", device->name()}, {"precision", precision}, {"rows", list}}).dump() << "\n";
  return right ? exit_done : exit_error;
}

}  // namespace lact
