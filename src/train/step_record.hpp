// The first steps of a config in some layout, for comparison with other layouts. No run folder is touched.
#pragma once
#include "parallel/communicator.hpp"
#include "train/config.hpp"

namespace lact {

// Losses of `steps` steps. The gradients of the first are written to `gradients` as a checkpoint, in the place of first
// moments, so whatever layout made them they are whole tensors by name. In f64 everything after the tokens is computed
// in that type. Collective; the numbers are those of rank 0.
std::vector<double> record_steps(const RunConfig& cfg, std::unique_ptr<Communicator> world, std::int64_t steps,
                                 const std::string& gradients, DType t = DType::f32);

// |a - b| / |b| by largest values of one tensor's gradient, in the order of the model's parameters.
struct GradientDifference {
  std::string name;
  double value = 0;
};
std::vector<GradientDifference> gradient_differences(const RunConfig& cfg, const std::string& gradients,
                                                     const std::string& reference);

}  // namespace lact
