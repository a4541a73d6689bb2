// The order of updates and applications of a fast-weight layer, as data: printed in reports, tested without tensors.
#pragma once
#include <span>
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
// The tokens of a rank: an even part of every segment between two borders of events, so that all ranks work in every
// event. An update token costs about twice an applied one and a segment's tokens take part in the same events, so the
// parts are balanced within one token per segment. Whole views wherever a segment's views divide over the ranks.
// Ascending; empty parts are left out.
std::vector<Range> share(const TttPlan& plan, std::int64_t tokens, int rank, int ranks);
// The plan in places of the concatenated ranges `mine`; keeps every event, also an empty one.
TttPlan local_plan(const TttPlan& plan, std::span<const Range> mine);
// Where the applied tokens that a rank holds stand among the outputs of the whole plan, which has no ranges cut off.
//   U[0,4) A[0,8), held [0,2)[4,6):  rows [0,2)[4,6);   A[2,4) A[0,4), held [0,3):  rows [0,1)[2,5)
std::vector<Range> applied_rows(const TttPlan& plan, std::span<const Range> held);
std::string text_of(const TttPlan& plan);  // "U[0,40) A[0,60)"

}  // namespace lact
