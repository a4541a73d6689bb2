// The optimizer step over the store's buckets.
#pragma once
#include "layers/parameters.hpp"

namespace lact {

struct AdamWConfig {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.05;  // of parameters with two or more dims; the others do not decay
};

// Sums every bucket over the ranks on which its parameters are replicated.
void reduce_gradients(ParameterStore& store, Mesh& mesh);
// Global L2 norm of the gradients, each element counted once. Not finite if any gradient is not.
double gradient_norm(ParameterStore& store);

class AdamW {
 public:
  AdamW(ParameterStore& store, const AdamWConfig& cfg);  // adds the moments
  void step(double rate, double gradient_scale);
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t n) { steps_ = n; }  // on resuming

 private:
  struct Piece {  // a stretch of a bucket with one decay
    std::size_t bucket;
    Range range;
    double decay;
  };
  ParameterStore& store_;
  AdamWConfig cfg_;
  std::vector<Piece> pieces_;
  std::int64_t steps_ = 0;
};

}  // namespace lact
