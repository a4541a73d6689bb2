// The curves of a run's newest evaluation, for people.
#pragma once
#include "models/task.hpp"

namespace lact {

// RUN/evaluation.html with all that was judged, and a picture of the curves, whose path it returns.
std::string write_evaluation(const std::string& run_dir, std::int64_t step, const Evaluation& e);

}  // namespace lact
