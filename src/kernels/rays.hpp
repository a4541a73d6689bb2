// The ray of a pixel and the place of its token: the formulas that every backend uses.
#pragma once
#include "kernels/functors.hpp"

namespace lact::kernels {

struct Ray {
  double channels[9];  // origin o, unit direction d, o x d, in world coordinates
};
// Camera direction of pixel (column i, row j): ((i + 0.5 - cx) / fx, (j + 0.5 - cy) / fy, 1).
LACT_BOTH Ray ray_of(const float* fxfycxcy, const float* c2w, std::int64_t column, std::int64_t row) {
  const double x = (double(column) + 0.5 - fxfycxcy[2]) / fxfycxcy[0],
               y = (double(row) + 0.5 - fxfycxcy[3]) / fxfycxcy[1];
  double o[3], d[3], norm = 0;
  for (int i = 0; i < 3; ++i) {
    o[i] = c2w[4 * i + 3];
    d[i] = c2w[4 * i] * x + c2w[4 * i + 1] * y + c2w[4 * i + 2];
    norm += d[i] * d[i];
  }
  for (double& v : d) v /= scalar::sqrt(norm);
  return {{o[0], o[1], o[2], d[0], d[1], d[2], o[1] * d[2] - o[2] * d[1], o[2] * d[0] - o[0] * d[2],
           o[0] * d[1] - o[1] * d[0]}};
}

constexpr std::int64_t token_channels = 12;  // the ray's nine, then red, green, blue in [-1, 1]

// Offset of the first channel of pixel (row, column) in a view's tokens [patch row][patch column][row in patch]
// [column in patch][channel], patches of p x p pixels.
LACT_BOTH std::int64_t place_of_pixel(std::int64_t row, std::int64_t column, std::int64_t width, std::int64_t p) {
  return ((row / p * (width / p) + column / p) * p * p + row % p * p + column % p) * token_channels;
}

}  // namespace lact::kernels
