#include "optim/adamw.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/norm_reduce.hpp"
#include "kernels/update.hpp"

namespace lact {

double squared_gradients(ParameterStore& store) {
  double squares = 0;
  for (auto& b : store.buckets()) {
    Tensor s = Tensor::empty(b.gradient.device(), {1}, DType::f64);
    kernels::squared_norm(s, b.gradient.cut(0, b.shard));
    squares += s.item();
  }
  return squares;
}

double gradient_norm(ParameterStore& store) { return std::sqrt(squared_gradients(store)); }

AdamW::AdamW(ParameterStore& store, Mesh& mesh, const AdamWConfig& cfg) : store_(store), mesh_(mesh), cfg_(cfg) {
  store.add_moments();
  for (const Parameter& p : store.parameters()) {
    if (!p.here) continue;
    double decay = p.decays() ? cfg.weight_decay : 0;
    // neighbours with one decay go together; the padding between them is zero and stays zero
    bool joins = !pieces_.empty() && pieces_.back().bucket == p.bucket && pieces_.back().decay == decay;
    if (joins)
      pieces_.back().range.end = p.range.end;
    else
      pieces_.push_back({p.bucket, p.range, decay});
  }
}

void AdamW::step(double rate, double gradient_scale) {
  ++steps_;
  for (const Piece& piece : pieces_) {
    auto& b = store_.buckets()[piece.bucket];
    Range mine{std::max(piece.range.begin, b.shard.begin), std::min(piece.range.end, b.shard.end)};
    if (mine.empty()) continue;
    Range within{mine.begin - b.shard.begin, mine.end - b.shard.begin};
    kernels::adamw(b.value.cut(0, mine), b.first.cut(0, within), b.second.cut(0, within), b.gradient.cut(0, mine),
                   {.rate = rate,
                    .beta1 = cfg_.beta1,
                    .beta2 = cfg_.beta2,
                    .eps = cfg_.eps,
                    .decay = piece.decay,
                    .gradient_scale = gradient_scale,
                    .step = steps_});
  }
  for (auto& b : store_.buckets())  // in order of first use
    b.gathering = mesh_.along(b.replicated_on).all_gather(b.value, b.value.cut(0, b.shard));
}

}  // namespace lact
