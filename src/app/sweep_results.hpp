// What the runs of a sweep came to, and how it is shown.
#pragma once
#include "app/combinations.hpp"
#include "base/chart.hpp"
#include "base/named_values.hpp"
#include "files/json.hpp"

namespace lact {

struct SweepResult {
  Combination of;
  std::string why;  // it failed; empty where it did not
  std::int64_t parameters = 0, steps = 0;
  double loss = 0;  // mean of the last tenth of the steps
  double tokens_per_second = 0, seconds = 0;
  NamedValues evaluation;  // the last one
  Curve losses;            // by step
  Curve judged;            // by step, the first value of each evaluation
};

// From the report in the run's folder.
SweepResult result_of(const Combination& of, const std::string& folder);
Json json_of(const SweepResult& result, const std::vector<SweptKey>& keys);
// A header and a row per combination; failures are sentences below.
std::vector<std::vector<std::string>> rows_of(const std::vector<SweepResult>& all, const std::vector<SweptKey>& keys);
// Losses over one another, evaluations over one another, and the end value against the one key that is numeric, apart
// from seeds, where there is exactly one.
std::vector<Chart> charts_of(const std::vector<SweepResult>& all, const std::vector<SweptKey>& keys);

}  // namespace lact
