// Initial values of parameters. Each number is a function of the parameter's name and the number's place in the whole
// parameter, so it is the same on any layout.
#pragma once
#include <cstdint>
#include <functional>

namespace lact {

// `key`: of the seed and the parameter's name. `index`: in the whole (uncut) parameter.
using Init = std::function<double(std::uint64_t key, std::int64_t index)>;
Init constant(double value);
Init gaussian(double deviation);
Init uniform_within(double bound);   // [-bound, bound)
Init torch_linear(std::int64_t in);  // within 1 / sqrt(in), PyTorch's for weights and biases over `in` inputs

// Deviations of the published initialisation: 0.02 for every linear map, and for the last map of a residual branch
// 0.02 / sqrt(branches), branches = sub-layers per block x blocks.
struct InitScale {
  double linear = 0.02, projection = 0.02;
  static InitScale of(std::int64_t branches);
};

}  // namespace lact
