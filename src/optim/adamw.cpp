#include "optim/adamw.hpp"

#include <cmath>

#include "kernels/norm_reduce.hpp"
#include "kernels/update.hpp"

namespace lact {

void reduce_gradients(ParameterStore& store, Mesh& mesh) {
  for (auto& b : store.buckets()) mesh.along(b.replicated_on).all_reduce(b.gradient).wait();
}

double gradient_norm(ParameterStore& store) {
  double squares = 0;
  for (auto& b : store.buckets()) {
    Tensor s = Tensor::empty(b.gradient.device(), {1}, DType::f64);
    kernels::squared_norm(s, b.gradient);
    squares += s.item();
  }
  return std::sqrt(squares);
}

AdamW::AdamW(ParameterStore& store, const AdamWConfig& cfg) : store_(store), cfg_(cfg) {
  store.add_moments();
  for (const Parameter& p : store.parameters()) {
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
    auto part = [&](const Tensor& t) { return t.cut(0, piece.range); };
    kernels::adamw(part(b.value), part(b.first), part(b.second), part(b.gradient),
                   {.rate = rate,
                    .beta1 = cfg_.beta1,
                    .beta2 = cfg_.beta2,
                    .eps = cfg_.eps,
                    .decay = piece.decay,
                    .gradient_scale = gradient_scale,
                    .step = steps_});
  }
}

}  // namespace lact
