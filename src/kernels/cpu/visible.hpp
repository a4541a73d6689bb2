#pragma once
#include <algorithm>

#include "kernels/attention.hpp"

namespace lact::kernels {

// The keys that query i sees of `keys` keys.
inline Range visible(const Mask& mask, std::int64_t i, std::int64_t keys) {
  if (!mask.causal) return {0, keys};
  const std::int64_t end = std::min(keys, i + 1);
  const std::int64_t begin = mask.window > 0 ? std::clamp<std::int64_t>(i - mask.window + 1, 0, end) : 0;
  return {begin, end};
}

}  // namespace lact::kernels
