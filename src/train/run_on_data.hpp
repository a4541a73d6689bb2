// A run's model on the run's data or on others, to judge and to show it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "train/config.hpp"

namespace lact {

struct RunOnData {
  RunConfig config;
  std::unique_ptr<Dataset> data;
};
// The config of a run with key=value pairs, and the data of its data.path; see Dataset::judge_run() where these are
// others than those of the run.
RunOnData run_on_data(const std::string& run_folder, const std::vector<std::string>& overrides);

}  // namespace lact
