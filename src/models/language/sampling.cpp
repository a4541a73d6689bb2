#include "models/language/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
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
  const double top = double(*std::ranges::max_element(logits));
  struct Candidate {
    std::int32_t id;
    double weight;
  };
  std::vector<Candidate> all;
  double sum = 0;
  for (const float x : logits) {
    all.push_back({std::int32_t(all.size()), std::exp((double(x) - top) / how.temperature)});
    sum += all.back().weight;
  }
  double kept = sum;
  if (how.top_p < 1) {
    // All tokens below an n-th of 1 - top_p have less than 1 - top_p together: the others are enough, and few to sort.
    const double least = (1 - how.top_p) * sum / double(logits.size());
    std::erase_if(all, [&](const Candidate& c) { return c.weight < least; });
    std::ranges::stable_sort(all, std::greater<>(), &Candidate::weight);
    kept = 0;
    std::size_t count = 0;
    while (count < all.size() && (count == 0 || kept < how.top_p * sum)) kept += all[count++].weight;
    all.resize(count);
  }
  double left = uniform(random_key(std::uint64_t(how.seed), "generate"), position) * kept;
  for (const Candidate& c : all) {
    left -= c.weight;
    if (left < 0) return c.id;
  }
  return all.back().id;  // rounding
}

}  // namespace lact
