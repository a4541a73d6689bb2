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
// A[0,c) U[0,c) A[c,2c) U[c,2c) ... A: a chunk is applied before it updates; the last one is only applied.
TttPlan plan_causal(std::int64_t tokens, std::int64_t chunk);
// Ranges clamped to [0, tokens), as the originals do with an end beyond the sequence.
TttPlan clipped(const TttPlan& plan, std::int64_t tokens);
// The tokens of a rank. The borders of the events cut the sequence into segments, and each rank gets an even part of
// every segment, so that all ranks work in every event. All tokens of a segment take part in the same events and cost
// the same, so the work of two ranks differs by at most one token per segment. Where the views of a segment divide over
// the ranks, each gets whole views. Ascending; empty parts are left out.
//   U[0,4) A[0,8) on 2 ranks: segments [0,4) [4,8); rank 0 has tokens 0 1 4 5, rank 1 has 2 3 6 7
std::vector<Range> share(const TttPlan& plan, std::int64_t tokens, int rank, int ranks);
// The plan as a rank runs it that holds the tokens `mine`: ranges count places among those. Every event stays, also an
// empty one, since the other ranks wait in its sums.
//   U[0,4) A[0,8) with tokens 0 1 4 5:  U[0,2) A[0,4)
TttPlan local_plan(const TttPlan& plan, std::span<const Range> mine);
// Where the applied tokens that a rank holds stand among the outputs of the whole plan, which has no ranges cut off.
//   U[0,4) A[0,8), held [0,2)[4,6):  rows [0,2)[4,6);   A[2,4) A[0,4), held [0,3):  rows [0,1)[2,5)
std::vector<Range> applied_rows(const TttPlan& plan, std::span<const Range> held);
std::string text_of(const TttPlan& plan);  // "U[0,40) A[0,60)"

}  // namespace lact
