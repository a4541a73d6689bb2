#include "optim/adamw.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/pointwise.hpp"
#include "kernels/sums.hpp"

namespace lact {

void add_squared_gradients(Tensor sum, ParameterStore& store) {
  Tensor s = like(sum);
  for (auto& b : store.buckets()) {
    kernels::squared_norm(s, b.gradient.cut(0, b.shard));
    kernels::add_to(sum, s);
  }
}

double gradient_norm(ParameterStore& store) {
  Tensor squares = Tensor::zeros(store.buckets().front().gradient.device(), {1}, DType::f64);
  add_squared_gradients(squares, store);
  return std::sqrt(squares.item());
}

AdamW::AdamW(ParameterStore& store, Mesh& mesh, Device& device, const AdamWConfig& cfg)
    : store_(store),
      mesh_(mesh),
      cfg_(cfg),
      verdict_(Tensor::empty(device, {sizeof(kernels::Verdict) / sizeof(double)}, DType::f64)) {
  set_steps(0);
  store.add_moments();
  for (const Parameter& p : store.parameters()) {
    if (!p.here) continue;
    double decay = p.decays() || cfg.decay_all ? cfg.weight_decay : 0;
    // neighbours with one decay go together; the padding between them is zero and stays zero
    bool joins = !pieces_.empty() && pieces_.back().bucket == p.bucket && pieces_.back().decay == decay;
    if (joins)
      pieces_.back().range.end = p.range.end;
    else
      pieces_.push_back({p.bucket, p.range, decay});
  }
}

std::int64_t AdamW::steps() const { return std::int64_t(verdict_.cut(0, {0, 1}).item()); }

void AdamW::set_steps(std::int64_t n) {
  const kernels::Verdict v{.steps = double(n)};
  verdict_.device().copy_in(verdict_.raw(), &v, sizeof v);
}

void AdamW::step(const Tensor& rate, const Tensor& sums, const Limits& limits) {
  kernels::judge(verdict_, sums,
                 {.clip = limits.clip, .skip_norm = limits.skip, .beta1 = cfg_.beta1, .beta2 = cfg_.beta2});
  for (const Piece& piece : pieces_) {
    auto& b = store_.buckets()[piece.bucket];
    Range mine{std::max(piece.range.begin, b.shard.begin), std::min(piece.range.end, b.shard.end)};
    if (mine.empty()) continue;
    Range within{mine.begin - b.shard.begin, mine.end - b.shard.begin};
    kernels::adamw(b.value.cut(0, mine), b.first.cut(0, within), b.second.cut(0, within), b.gradient.cut(0, mine),
                   verdict_, rate, {.beta1 = cfg_.beta1, .beta2 = cfg_.beta2, .eps = cfg_.eps, .decay = piece.decay});
  }
  for (auto& b : store_.buckets())  // in order of first use
    b.gathering = mesh_.along(b.replicated_on).all_gather(b.value, b.value.cut(0, b.shard));
}

}  // namespace lact
