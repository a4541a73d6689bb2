// Learning-rate curves as pure functions of the step (docs/math.md, 6.4).
#pragma once
#include <cstdint>

namespace lact {

// Linear warmup from 0, then half a cosine down to min_ratio * peak at step `total` and after. step counts from 0.
double cosine_rate(std::int64_t step, double peak, std::int64_t warmup, std::int64_t total, double min_ratio = 0);

}  // namespace lact
