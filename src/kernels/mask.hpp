// Which keys a query sees.
#pragma once
#include "kernels/functors.hpp"
#include "tensor/tensor.hpp"

namespace lact::kernels {

struct Mask {               // which keys j a query i sees, i and j counted from 0
  bool causal = false;      // j <= i
  std::int64_t window = 0;  // with causal: j > i - window; 0 is no limit
};

// The keys that query i sees of `keys` keys.
LACT_BOTH Range visible(const Mask& mask, std::int64_t i, std::int64_t keys) {
  if (!mask.causal) return {0, keys};
  const std::int64_t end = i + 1 < keys ? i + 1 : keys, oldest = i - mask.window + 1;
  const std::int64_t begin = mask.window > 0 && oldest > 0 ? (oldest < end ? oldest : end) : 0;
  return {begin, end};
}

}  // namespace lact::kernels
