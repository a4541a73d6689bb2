// The order of updates and applications of a fast-weight layer, as data: printed in reports, tested without tensors.
#pragma once
#include <string>
#include <vector>

#include "tensor/tensor.hpp"

namespace lact {

struct TttEvent {
  enum Kind : std::uint8_t { update, apply } kind = update;
  Range tokens;  // may overlap other events', repeat, or be empty
  bool operator==(const TttEvent&) const = default;
};
using TttPlan = std::vector<TttEvent>;

TttPlan plan_views(std::int64_t input_tokens, std::int64_t target_tokens);  // U[0,n) A[0,n+m)
TttPlan plan_causal(std::int64_t tokens,
                    std::int64_t chunk);  // A U A U ... A: a chunk is applied before it updates, the last only applied
// Ranges cut to [0, tokens), as the originals do with an end beyond the sequence.
TttPlan clipped(const TttPlan& plan, std::int64_t tokens);
std::string text_of(const TttPlan& plan);  // "U[0,40) A[0,60)"

}  // namespace lact
