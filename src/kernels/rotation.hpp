// The turn of a pair of channels by its position: the formula that every backend uses.
#pragma once
#include "kernels/functors.hpp"
#include "kernels/tokens.hpp"

namespace lact::kernels {

// How fast pair i of d channels turns, in radians per position.
LACT_BOTH double speed_of(const Rope& rope, std::int64_t i, std::int64_t d) {
  return ::exp(-2.0 * double(i) / double(d) * ::log(rope.theta));
}

struct Rotation {
  double cos, sin;
};
LACT_BOTH Rotation rotation(double speed, std::int32_t position, bool back) {
  const double angle = speed * double(position);
  return {::cos(angle), back ? -::sin(angle) : ::sin(angle)};
}

// The two channels of a pair.
struct Channels {
  std::int64_t a, b;
};
LACT_BOTH Channels channels_of(const Rope& rope, std::int64_t pair, std::int64_t d) {
  return rope.interleaved ? Channels{2 * pair, 2 * pair + 1} : Channels{pair, pair + d / 2};
}

}  // namespace lact::kernels
