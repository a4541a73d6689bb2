#include "layers/parameters/initial_values.hpp"

#include <cmath>

#include "base/random.hpp"

namespace lact {

Init constant(double value) {
  return [value](std::uint64_t, std::int64_t) { return value; };
}

Init gaussian(double deviation) {
  return [deviation](std::uint64_t key, std::int64_t i) { return deviation * normal(key, i); };
}

Init uniform_within(double bound) {
  return [bound](std::uint64_t key, std::int64_t i) { return bound * (2 * uniform(key, i) - 1); };
}

Init torch_linear(std::int64_t in) { return uniform_within(1 / std::sqrt(double(in))); }

InitScale InitScale::of(std::int64_t branches) { return {0.02, 0.02 / std::sqrt(double(branches))}; }

}  // namespace lact
