#pragma once

#include "tensor/tensor.hpp"

namespace lact {

// A tensor of 0, 1, 2, ... in row-major order, as far as its type tells them apart.
inline Tensor counted(Device& d, Shape s, DType t) {
  std::vector<double> v(std::size_t(count_of(s)));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = double(i);
  return Tensor::of(d, s, v, t);
}

}  // namespace lact
