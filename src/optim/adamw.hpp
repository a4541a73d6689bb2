// The optimizer step over the store's buckets.
#pragma once
#include "layers/parameters.hpp"

namespace lact {

struct AdamWConfig {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.05;  // of parameters with two or more dims; the others do not decay
};

// Sum of squares of this rank's shards of the gradients, and the root of it where one rank holds all.
double squared_gradients(ParameterStore& store);
double gradient_norm(ParameterStore& store);

class AdamW {
 public:
  AdamW(ParameterStore& store, Mesh& mesh, const AdamWConfig& cfg);  // adds the moments
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
  Mesh& mesh_;
  AdamWConfig cfg_;
  std::vector<Piece> pieces_;
  std::int64_t steps_ = 0;
};

}  // namespace lact
