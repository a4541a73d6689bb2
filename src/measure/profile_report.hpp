// The profiles of all ranks as one JSON object.
#pragma once
#include "files/json.hpp"
#include "measure/profile.hpp"

namespace lact {

// What every rank says, on every rank, in the order of ranks. All of the mesh call it.
std::vector<Json> of_all_ranks(LoadedModel& m, const Json& mine);
Json as_json(const RankProfile& p, const LoadedModel& m);  // without spans
Json spans_json(const RankProfile& p);                     // times from the moment that the ranks share

// step, overhead, independent, axes, pipeline, data, imbalance, memory, ranks: seconds of a step are the slowest
// rank's, `overhead` is step / control - 1 of each pair.
Json summary(const LoadedModel& m, const RankProfile& p, const std::vector<Json>& ranks);

}  // namespace lact
