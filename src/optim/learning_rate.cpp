#include "optim/learning_rate.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lact {

double cosine_rate(std::int64_t step, double peak, std::int64_t warmup, std::int64_t total, double min_ratio) {
  if (step < warmup) return peak * double(step) / double(warmup);
  double t = total > warmup ? std::min(1.0, double(step - warmup) / double(total - warmup)) : 1.0;
  double c = 0.5 * (1 + std::cos(std::numbers::pi * t));
  return peak * (min_ratio + (1 - min_ratio) * c);
}

}  // namespace lact
