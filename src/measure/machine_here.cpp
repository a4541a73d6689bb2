#include <algorithm>
#include <ctime>
#include <thread>

#include "autograd/ops.hpp"
#include "base/cores.hpp"
#include "base/random.hpp"
#include "measure/machine.hpp"
#include "train/product_rate.hpp"

namespace lact {
namespace {

constexpr std::int64_t rows = 2048, width = 256, head = 64;  // 2 MB of f32: more than a cache of one core keeps

// Pieces of a model with their backward passes. What they move and compute is counted on paper, how long that takes is
// measured.
class Piece {
 public:
  Piece(Device& d, DType t) : device_(d), type_(t) {}
  void give(Shape s) {
    std::vector<float> v(std::size_t(count_of(s)));
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = float(normal(7, std::int64_t(i % 4099)));
    const Tensor wide = Tensor::of(device_, std::move(s), std::span<const float>(v));
    kept_.push_back(cast(wide, type_));
  }
  Var leaf(std::size_t i) { return tape_->leaf(kept_[i].value()); }
  void run(const std::function<Var(Piece&)>& forward) {
    Tape tape;
    tape_ = &tape;
    const Var y = forward(*this);
    tape.backward(y, ones_like(y));
  }

 private:
  Device& device_;
  DType type_;
  Tape* tape_ = nullptr;
  std::vector<Var> kept_;
};

struct Kind {
  std::vector<Shape> inputs;
  std::function<Var(Piece&)> forward;
};

// All ranks of a CPU are at work at once, for they share caches and memory; their time is what this process had, so
// that others on the host do not count.
double seconds_of(Device& d, std::vector<Piece>& of_rank, const std::function<Var(Piece&)>& forward) {
  constexpr int runs = 5;
  if (d.backend() != Backend::cpu) return median_seconds(d, runs, [&] { of_rank[0].run(forward); });
  for (Piece& p : of_rank) p.run(forward);
  const int each = threads();
  const std::clock_t begin = std::clock();  // of all threads
  {
    std::vector<std::jthread> ranks;
    for (Piece& p : of_rank)
      ranks.emplace_back([&] {
        let_the_system_place_this_thread();
        set_threads(each);
        for (int i = 0; i < runs; ++i) p.run(forward);
      });
  }
  return double(std::clock() - begin) / CLOCKS_PER_SEC / runs / double(of_rank.size()) / each;
}

// `amount` of the tally per second and rank.
double rate_of(Device& d, DType t, int ranks, const Kind& kind, double PaperDevice::Row::*amount) {
  auto prepared = [&](Device& on) {
    Piece p(on, t);
    for (const Shape& s : kind.inputs) p.give(s);
    return p;
  };
  PaperDevice paper(PaperRates{});
  prepared(paper).run(kind.forward);
  double counted = 0;
  for (const auto& [name, row] : paper.tally()) counted += row.*amount;
  std::vector<Piece> pieces;
  const int cores = int(std::thread::hardware_concurrency()) / threads();
  for (int r = 0; r < std::max(1, std::min(ranks, cores)); ++r) pieces.push_back(prepared(d));
  return counted / seconds_of(d, pieces, kind.forward);
}

// Half of the operations in the products of an MLP, half in small ones of many heads.
const Kind products{{{rows, width}, {4 * width, width}, {width, 4 * width}, {64, width, 64}, {64, 64, 2 * width}},
                    [](Piece& p) {
                      const Var wide = linear(linear(p.leaf(0), p.leaf(1)), p.leaf(2));
                      return add(sum(wide), sum(matmul(p.leaf(3), p.leaf(4))));
                    }};
const Kind attentions{{{8, 4, 256, 64}, {8, 4, 256, 64}, {8, 4, 256, 64}},
                      [](Piece& p) { return attention(p.leaf(0), p.leaf(1), p.leaf(2), 0.1, {}); }};
const Kind elements{{{1, rows, width}, {width}, {head}}, [](Piece& p) {
                      const Var x = p.leaf(0), y = layer_norm(x, p.leaf(1), 1e-5);
                      const Var heads = rms_norm(split_heads(y, 1, width / head)[0], p.leaf(2), 1e-5);
                      const Var gated = swiglu(heads, l2_norm(silu(heads), 1e-5));
                      return add(add(x, gelu(y)), join_heads({gated}));
                    }};

double seconds_of_a_call(Device& d) {
  constexpr int times = 1000;
  Piece small(d, DType::f32);
  small.give({16});
  return median_seconds(d, 9,
                        [&] {
                          small.run([](Piece& p) {
                            Var y = p.leaf(0);
                            for (int i = 0; i < times; ++i) y = scale(y, 0.5);
                            return y;
                          });
                        }) /
         (2 * times);
}

}  // namespace

Machine Machine::here(Device& d, DType activations, int ranks) {
  Machine m;
  m.name = "this machine, " + d.name();
  m.ranks_per_node = ranks;
  m.memory_gb = double(d.capacity()) / (d.backend() == Backend::cpu ? ranks : 1) / 1e9;
  m.product_gflops = rate_of(d, DType::f32, ranks, products, &PaperDevice::Row::operations) / 1e9;
  if (activations == DType::bf16)
    m.bf16_product_gflops = rate_of(d, activations, ranks, products, &PaperDevice::Row::operations) / 1e9;
  m.attention_gflops = rate_of(d, activations, ranks, attentions, &PaperDevice::Row::operations) / 1e9;
  m.memory_gb_per_second = rate_of(d, activations, ranks, elements, &PaperDevice::Row::bytes) / 1e9;
  m.call_us = seconds_of_a_call(d) * 1e6, m.wide = d.wide();
  m.inside = {.latency_us = 10, .gb_per_second = m.memory_gb_per_second / 2, .beside_compute = false};
  return m;
}

}  // namespace lact
