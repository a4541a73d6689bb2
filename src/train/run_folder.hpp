// The folder of a run: what may lie there before, and what says whether it is the same run.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/loader.hpp"
#include "train/config.hpp"

namespace lact {

// Refuses a folder that holds, instead of a run, something that would be overwritten or mixed up, and names it. Logs,
// hidden files and what is empty are none of that.
void check_usable(const std::string& folder);
// Refuses to go on with the run of run.dir under keys that may not change. Where the data are may: see
// check_same_views.
void check_same_run(const RunConfig& now_wanted);

// Refuses other views than those that the run in the folder began with; only where other pictures have come into the
// same place it warns. `has_steps`: whether it learned from them; a run that did not may begin anew where its data are
// repaired, but not with those of another place.
void check_same_views(const RunConfig& now, const ViewSource& source, std::span<const SceneViews> training,
                      bool has_steps);
// RUN/views.json, see run_views.hpp. Of a run that has steps it stays as it was, if it knows the data again.
void write_views(const RunConfig& now, const ViewSource& source, std::span<const SceneViews> training, bool has_steps);

// The config stored with a run, with key=value applied; an error if the folder holds no run. Its data are looked for
// where the run found them and, where run and data moved together, at the same place beside the folder.
RunConfig config_of_run(const std::string& run_folder, const std::vector<std::string>& overrides = {});
// The data of such a config.
std::unique_ptr<WatchedViews> open_views_of_run(const RunConfig& cfg);

}  // namespace lact
