#include <algorithm>
#include <iostream>

#include "app/bench.hpp"
#include "files/json.hpp"
#include "layers/fast_weights/mini_batch/mini_batch_ttt.hpp"
#include "train/product_rate.hpp"

namespace lact {
namespace {

struct MiniBatchConfig {
  std::string device = "best";
  MiniBatchTttConfig layer;
  std::int64_t dim = 256, tokens = 2048, batch = 1, runs = 3;
  void fields(Fields& f) {
    f("compute.device", device, "cpu, cuda, or best: a GPU where one is present");
    f("dim", dim, "width of the layer");
    f("tokens", tokens, "of a sample");
    f("batch", batch, "samples");
    f("runs", runs, "measurements of which the median counts");
    layer.fields(f);
  }
  void check_values() const {
    check(dim > 0 && tokens > 0 && batch > 0 && runs > 0, "dim={}, tokens={}, batch={} and runs={} must be positive",
          dim, tokens, batch, runs);
    layer.check_values(dim);
  }
};

class MiniBatchBench {  // a layer, called in products or token by token
 public:
  MiniBatchBench(Device& d, DType t, const MiniBatchConfig& cfg)
      : device_(d),
        layer_(Scope(store_), cfg.dim, cfg.layer),
        x_(drawn(d, t, {cfg.batch, cfg.tokens, cfg.dim}, "x")),
        dy_(drawn(d, t, {cfg.batch, cfg.tokens, cfg.dim}, "dy")) {
    store_.lay_out(d, mesh_, 1, t);
  }
  Tensor forward(bool products) { return of(x_, nullptr, products).value(); }
  // The output, and the gradients of x and of all parameters.
  std::vector<Tensor> forward_and_backward(bool products) {
    store_.zero_gradients();
    Tape tape;
    Tensor dx;
    const Var x = tape.leaf(x_, [&dx](const Var& g) { dx = g.value(); });
    const Var y = of(x, &tape, products);
    tape.backward(y, dy_);
    std::vector<Tensor> results{y.value(), dx};
    for (const Parameter& p : store_.parameters()) results.push_back(store_.gradient(p));
    return results;
  }

 private:
  Var of(const Var& x, Tape* tape, bool products) {
    Ctx c{tape, device_, mesh_};
    return products ? layer_(c, x).y : layer_.token_by_token(c, x).y;
  }
  Device& device_;
  Mesh mesh_ = Mesh::alone();
  ParameterStore store_;
  MiniBatchTtt layer_;
  Tensor x_, dy_;
};

// Of the output, of the gradient of x, and of that of all parameters together, each over its own length, with those of
// f64 on the CPU, token by token. Single gradients may be sums that nearly cancel, as that of the position scale at the
// start, and count beside the others.
double error_of(Device& d, const MiniBatchConfig& whole, bool products) {
  MiniBatchConfig cfg = whole;
  cfg.tokens = std::min<std::int64_t>(whole.tokens, 5 * whole.layer.mini_batch_size + 3), cfg.batch = 1;
  const auto cpu = Device::open(Backend::cpu);
  const auto mine = MiniBatchBench(d, DType::f32, cfg).forward_and_backward(products),
             judge = MiniBatchBench(*cpu, DType::f64, cfg).forward_and_backward(false);
  auto joined = [](const std::vector<Tensor>& results, std::size_t first, std::size_t last) {
    std::vector<double> all;
    for (std::size_t i = first; i < last; ++i) {
      const std::vector<double> numbers = results[i].to_doubles();
      all.insert(all.end(), numbers.begin(), numbers.end());
    }
    return all;
  };
  double worst = 0;
  for (const auto& [first, last] : {std::pair<std::size_t, std::size_t>{0, 1}, {1, 2}, {2, mine.size()}})
    worst = std::max(worst, relative_difference(joined(mine, first, last), joined(judge, first, last)));
  return worst;
}

struct Form {
  double forward = 0, both = 0, error = 0;  // seconds, seconds with the backward pass, of outputs and gradients
  std::size_t peak = 0;
};
Form measured(Device& d, const MiniBatchConfig& cfg, bool products) {
  MiniBatchBench bench(d, DType::f32, cfg);
  d.reset_peak();
  Form f;
  f.forward = median_seconds(d, cfg.runs, [&] { bench.forward(products); });
  f.both = median_seconds(d, cfg.runs, [&] { bench.forward_and_backward(products); });
  f.peak = d.memory().peak;
  f.error = error_of(d, cfg, products);
  return f;
}
Json row_of(const char* form, const Form& f) {
  return Json::object({{"form", form},
                       {"forward_seconds", f.forward},
                       {"seconds", f.both},
                       {"peak_bytes", std::int64_t(f.peak)},
                       {"error", f.error}});
}

}  // namespace

std::string ttt_keys() { return keys_of<MiniBatchConfig>(); }

int bench_ttt_command(const Arguments& args, bool json) {
  const auto cfg = bench_config<MiniBatchConfig>(args);
  cfg.check_values();
  set_threads(0);
  const auto device = Device::open(backend_named(cfg.device));
  const Form dual = measured(*device, cfg, true), primal = measured(*device, cfg, false);
  const double bound = 1e-5;  // measured: 1e-6 at most, for both forms
  const double apart = relative_difference(MiniBatchBench(*device, DType::f32, cfg).forward(true).to_doubles(),
                                           MiniBatchBench(*device, DType::f32, cfg).forward(false).to_doubles());
  Json rows = Json::array();
  rows.push(row_of("dual", dual));
  rows.push(row_of("primal", primal));
  if (json)
    std::cout << Json::object({{"device", device->name()},
                               {"ttt_layer_type", cfg.layer.ttt_layer_type},
                               {"tokens", cfg.tokens},
                               {"rows", rows},
                               {"forward_times_faster", primal.forward / dual.forward},
                               {"times_faster", primal.both / dual.both},
                               {"apart", apart},
                               {"error_bound", bound}})
                     .dump()
              << "\n";
  else {
    std::cout << fill(
        "{}: ttt {} of width {}, {} heads, {} x {} tokens in mini-batches of {}\n{:<8} {:>12} {:>12} {:>8} {:>9}\n",
        {device->name(), cfg.layer.ttt_layer_type, cfg.dim, cfg.layer.num_attention_heads, cfg.batch, cfg.tokens,
         cfg.layer.mini_batch_size, "form", "forward ms", "both ms", "MB", "error"});
    for (const auto& [name, f] : {std::pair{"dual", dual}, {"primal", primal}})
      std::cout << fill("{:<8} {:>12.2f} {:>12.2f} {:>8.1f} {:>9.1e}\n",
                        {name, f.forward * 1e3, f.both * 1e3, double(f.peak) / 1e6, f.error});
    std::cout << fill("dual is {:.1f} times as fast, {:.1f} with the backward pass; outputs apart by {:.1e}\n",
                      {primal.forward / dual.forward, primal.both / dual.both, apart});
  }
  return std::max({dual.error, primal.error, apart}) < bound ? exit_done : exit_error;
}

}  // namespace lact
