#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

namespace lact {

// The middle one of some numbers, of which there is at least one; of an even count the upper of the two.
inline double upper_median(std::vector<double> x) {
  const auto middle = x.begin() + std::ptrdiff_t(x.size() / 2);
  std::nth_element(x.begin(), middle, x.end());
  return *middle;
}

}  // namespace lact
