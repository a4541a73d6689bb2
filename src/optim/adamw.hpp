// The optimizer step over the store's buckets (docs/math.md, 6.2 and 6.3).
#pragma once
#include "kernels/update.hpp"
#include "layers/parameters/store.hpp"

namespace lact {

struct AdamWConfig {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.05;  // of parameters with two or more dims
  bool decay_all = false;      // and of the others too
};

// Adds the sum of squares of this rank's shards of the gradients to `sum`, f64 [1].
void add_squared_gradients(Tensor sum, ParameterStore& store);
double gradient_norm(ParameterStore& store);  // of one rank that holds all

class AdamW {
 public:
  AdamW(ParameterStore& store, Mesh& mesh, Device& device, const AdamWConfig& cfg);  // adds the moments
  // Of the norm of the gradients; 0 is no limit. Above `clip` gradients are scaled down to it, above `skip` the step is
  // left out.
  struct Limits {
    double clip = 0, skip = 0;
  };
  // sums: f64 [loss, squared norm of the gradients, ...] over all ranks; rate: f64 [1]. Whether the step is made is
  // decided from the sums on the device, and so alike on every rank.
  void step(const Tensor& rate, const Tensor& sums, const Limits& limits);
  const Tensor& verdict() const { return verdict_; }  // a kernels::Verdict on the last step
  std::int64_t steps() const;                         // that were made; the host waits
  void set_steps(std::int64_t n);                     // on resuming

 private:
  struct Piece {  // a stretch of a bucket with one decay
    std::size_t bucket;
    Range range;
    double decay;
  };
  ParameterStore& store_;
  Mesh& mesh_;
  AdamWConfig cfg_;
  std::vector<Piece> pieces_;
  Tensor verdict_;
};

}  // namespace lact
