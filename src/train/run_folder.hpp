// The folder of a run: what may lie there before, and what says whether it is the same run.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "train/config.hpp"

namespace lact {

// Refuses a folder that holds, instead of a run, something that would be overwritten or mixed up, and names it. Logs,
// hidden files and what is empty are none of that.
void check_usable(const std::string& folder);
// Refuses to go on with the run of run.dir under keys that may not change. Where the data are may: see
// Dataset::check_same().
void check_same_run(const RunConfig& now_wanted);

// Where the data of the run in a folder were when it began; empty where none has begun.
Path data_path_of_run(const std::string& run_folder);

// The config stored with a run, with key=value applied; an error if the folder holds no run. Its data are looked for
// where the run found them and, where run and data moved together, at the same place beside the folder.
RunConfig config_of_run(const std::string& run_folder, const std::vector<std::string>& overrides = {});
// The data of such a config.
std::unique_ptr<Dataset> open_data_of_run(const RunConfig& cfg);

}  // namespace lact
