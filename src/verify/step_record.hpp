// The gradients of a config's first step in some layout, for comparison with other layouts. No run folder is touched.
#pragma once
#include "parallel/communicator.hpp"
#include "train/config.hpp"

namespace lact {

// Written to `path` as a checkpoint, in the place of first moments, so whatever layout made them they are whole tensors
// by name. `t`: the type of what follows the tokens; in f64 the weights have it, too. Collective.
void record_gradients(const RunConfig& cfg, std::unique_ptr<Communicator> world, const std::string& path, DType t);

// |a - b| / |b| by largest values of one tensor's gradient, in the order of the model's parameters.
struct GradientDifference {
  std::string name;
  double value = 0;
};
std::vector<GradientDifference> gradient_differences(const RunConfig& cfg, const std::string& gradients,
                                                     const std::string& reference);

}  // namespace lact
