// The choice of the next token (docs/math.md, 17.3).
#pragma once
#include <cstdint>
#include <span>

#include "base/config.hpp"

namespace lact {

struct SamplingConfig {
  double temperature = 1, top_p = 1;
  std::int64_t seed = 0;
  void fields(Fields& f);
  void check_values() const;  // impossible values are named
};

// From logits of all tokens; `position` is that of the new token in the text. A function of these alone, so it is the
// same on any layout. Temperature 0 takes the likeliest, of several the first; otherwise a token is drawn from the
// fewest likeliest ones that have top_p of the probability.
std::int32_t next_token(std::span<const float> logits, const SamplingConfig& how, std::int64_t position);

}  // namespace lact
