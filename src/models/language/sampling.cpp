#include "models/language/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/check.hpp"
#include "base/random.hpp"

namespace lact {

void SamplingConfig::fields(Fields& f) {
  f("temperature", temperature, "logits are divided by it; 0 takes the likeliest token");
  f("top_p", top_p, "tokens are drawn from the likeliest ones that have this probability together");
  f("seed", seed, "another text");
}

void SamplingConfig::check_values() const {
  check(temperature >= 0 && std::isfinite(temperature), "temperature={} is neither 0 nor a positive number",
        temperature);
  check(top_p > 0 && top_p <= 1, "top_p={} is not above 0 and at most 1", top_p);
}

std::int32_t next_token(std::span<const float> logits, const SamplingConfig& how, std::int64_t position) {
  check(!logits.empty(), "no token to choose from");
  check(std::ranges::all_of(logits, [](float x) { return std::isfinite(x); }),
        "the model's logits behind token {} are not finite", position);
  if (how.temperature == 0) return std::int32_t(std::ranges::max_element(logits) - logits.begin());
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](std::int32_t id) { return logits[std::size_t(id)]; });
  const double top = double(logits[std::size_t(order[0])]);
  std::vector<double> weights;
  double all = 0;
  for (const std::int32_t id : order) {
    weights.push_back(std::exp((double(logits[std::size_t(id)]) - top) / how.temperature));
    all += weights.back();
  }
  double kept = 0;
  std::size_t count = 0;
  while (count < weights.size() && (count == 0 || kept < how.top_p * all)) kept += weights[count++];
  double left = uniform(random_key(std::uint64_t(how.seed), "generate"), position) * kept;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    left -= weights[i];
    if (left < 0) return order[i];
  }
  return order[count - 1];
}

}  // namespace lact
