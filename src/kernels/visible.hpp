#pragma once
#include "kernels/attention.hpp"
#include "kernels/functors.hpp"

namespace lact::kernels {

// The keys that query i sees of `keys` keys.
LACT_BOTH Range visible(const Mask& mask, std::int64_t i, std::int64_t keys) {
  if (!mask.causal) return {0, keys};
  const std::int64_t end = i + 1 < keys ? i + 1 : keys, oldest = i - mask.window + 1;
  const std::int64_t begin = mask.window > 0 && oldest > 0 ? (oldest < end ? oldest : end) : 0;
  return {begin, end};
}

}  // namespace lact::kernels
