#include <algorithm>
#include <cmath>
#include <iostream>

#include "app/bench.hpp"
#include "autograd/operands.hpp"
#include "files/json.hpp"
#include "kernels/attention.hpp"
#include "kernels/cudnn.hpp"
#include "kernels/mask.hpp"
#include "train/product_rate.hpp"

namespace lact {
namespace {

struct AttentionConfig {
  BenchPlace place;
  std::int64_t items = 32, heads = 12, head_dim = 64, tokens = 1024, keys = 0, window = 0, runs = 20;
  bool causal = false;
  void fields(Fields& f) {
    place.fields(f);
    f("items", items, "of the batch: views, say, whose tokens see each other alone");
    f("heads", heads, "of an item");
    f("head_dim", head_dim, "width of a head");
    f("tokens", tokens, "queries of an item");
    f("keys", keys, "that they look at; 0: as many as queries");
    f("causal", causal, "a query sees the keys up to its own place");
    f("window", window, "with causal: only so many keys, its own among them; 0: all");
    f("runs", runs, "measurements of which the median counts");
  }
  void check_values() const {
    check(items > 0 && heads > 0 && head_dim > 0 && tokens > 0 && keys >= 0 && window >= 0 && runs > 0,
          "items={}, heads={}, head_dim={}, tokens={}, keys={}, window={} and runs={}: positive, or 0 where that means "
          "all",
          items, heads, head_dim, tokens, keys, window, runs);
  }
  kernels::Mask mask() const { return {causal, window}; }
  std::int64_t all_keys() const { return keys > 0 ? keys : tokens; }
  double pairs() const {  // of a query and a key that it sees
    double n = 0;
    for (std::int64_t i = 0; i < tokens; ++i) n += double(kernels::visible(mask(), i, all_keys()).size());
    return n * double(items * heads);
  }
  AttentionConfig small() const {  // of about the same shape, for the f64 judge
    AttentionConfig s = *this;
    s.items = std::min<std::int64_t>(items, 2), s.heads = std::min<std::int64_t>(heads, 2);
    s.tokens = std::min<std::int64_t>(tokens, 150), s.keys = std::min<std::int64_t>(all_keys(), 150);
    return s;
  }
};

class AttentionBench {  // queries, keys and values beside each other, as one projection leaves them
 public:
  AttentionBench(Device& d, DType t, const AttentionConfig& cfg) : cfg_(cfg) {
    auto heads = [&](const Tensor& x, std::size_t part, std::int64_t parts) {
      return parts_by_heads(x, parts, cfg.heads)[part];
    };
    auto rows = [&](const char* name, std::int64_t n, std::int64_t parts) {
      return drawn(d, t, {cfg.items, n, parts * cfg.heads * cfg.head_dim}, name);
    };
    const Tensor queries = rows("q", cfg.tokens, 3), others = rows("kv", cfg.all_keys(), 3), dq = like(queries),
                 dkv = like(others), out = rows("o", cfg.tokens, 1), dout = rows("do", cfg.tokens, 1);
    q_ = heads(queries, 0, 3), k_ = heads(others, 1, 3), v_ = heads(others, 2, 3), o_ = heads(out, 0, 1);
    dq_ = heads(dq, 0, 3), dk_ = heads(dkv, 1, 3), dv_ = heads(dkv, 2, 3), dout_ = heads(dout, 0, 1);
    lse_ = Tensor::empty(d, {cfg.items, cfg.heads, cfg.tokens}, t == DType::bf16 ? DType::f32 : t);
  }
  void forward() { kernels::attention(o_, lse_, q_, k_, v_, scale(), cfg_.mask()); }
  void backward() { kernels::attention_grad({dq_, dk_, dv_, dout_, q_, k_, v_, o_, lse_, scale(), cfg_.mask()}); }
  std::vector<Tensor> results() {
    forward(), backward();
    return {o_, dq_, dk_, dv_};
  }

 private:
  double scale() const { return 1 / std::sqrt(double(cfg_.head_dim)); }
  AttentionConfig cfg_;
  Tensor q_, k_, v_, o_, dq_, dk_, dv_, dout_, lse_;
};

double error_of(Device& d, DType t, const AttentionConfig& cfg) {  // with the same numbers in f64 on the CPU
  const auto cpu = Device::open(Backend::cpu);
  const auto mine = AttentionBench(d, t, cfg).results(), judge = AttentionBench(*cpu, DType::f64, cfg).results();
  double worst = 0;
  for (std::size_t i = 0; i < mine.size(); ++i)
    worst = std::max(worst, relative_difference(mine[i].to_doubles(), judge[i].to_doubles()));
  return worst;
}

}  // namespace

std::string attention_keys() { return keys_of<AttentionConfig>(); }

int bench_attention_command(const Arguments& args, bool json) {
  auto cfg = bench_config<AttentionConfig>(args);
  cfg.check_values();
  const auto device = cfg.place.open();
  const DType t = cfg.place.type();
  AttentionBench bench(*device, t, cfg);
  const std::int64_t before = kernels::cudnn_runs();
  bench.forward();
  const std::int64_t between = kernels::cudnn_runs();
  bench.backward();
  auto way = [&](std::int64_t runs) { return runs > 0 ? kernels::cudnn_library() : std::string("own kernel"); };
  const std::string forward_way = way(between - before), backward_way = way(kernels::cudnn_runs() - between);
  const double forward = median_seconds(*device, cfg.runs, [&] { bench.forward(); }),
               backward = median_seconds(*device, cfg.runs, [&] { bench.backward(); });
  // two products of the width of a head for each pair, and five
  const double flops = 4 * cfg.pairs() * double(cfg.head_dim), forward_rate = flops / forward,
               backward_rate = 2.5 * flops / backward;
  const double error = error_of(*device, t, cfg.small()),
               bound = t == DType::bf16 ? 2e-2 : 1e-5;  // measured: 2e-3, 3e-7
  if (json)
    std::cout << Json::object({{"device", device->name()},
                               {"precision", cfg.place.precision},
                               {"items", cfg.items},
                               {"heads", cfg.heads},
                               {"head_dim", cfg.head_dim},
                               {"tokens", cfg.tokens},
                               {"keys", cfg.all_keys()},
                               {"causal", cfg.causal},
                               {"window", cfg.window},
                               {"forward_by", forward_way},
                               {"backward_by", backward_way},
                               {"forward_seconds", forward},
                               {"backward_seconds", backward},
                               {"forward_flops_per_second", forward_rate},
                               {"backward_flops_per_second", backward_rate},
                               {"error", error},
                               {"error_bound", bound}})
                     .dump()
              << "\n";
  else
    std::cout << fill(
        "{}, {}: {} x {} heads of {}, {} queries, {} keys\nforward {:.1f} us, {:.3f} TFLOP/s ({}); backward {:.1f} us, "
        "{:.3f} TFLOP/s ({}); error {:.1e}\n",
        {device->name(), cfg.place.precision, cfg.items, cfg.heads, cfg.head_dim, cfg.tokens, cfg.all_keys(),
         forward * 1e6, forward_rate / 1e12, forward_way, backward * 1e6, backward_rate / 1e12, backward_way, error});
  return error < bound ? exit_done : exit_error;
}

}  // namespace lact
