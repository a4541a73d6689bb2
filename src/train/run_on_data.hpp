// A run's model on the run's scenes or on others, to evaluate and to render.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/watched_views.hpp"
#include "train/config.hpp"

namespace lact {

struct RunOnData {
  RunConfig config;
  std::unique_ptr<WatchedViews> source;
};
// The config of a run with key=value pairs, and the scenes of its data.path. The run's own scenes, moved or some of
// them, are told by their fingerprints, and those that trained nothing are still held out. Where any scene is none of
// the run's, what names its views and scenes (data.held_out, data.held_out_scenes, data.eval_inputs) does not count,
// unless a pair says it.
RunOnData run_on_data(const std::string& run_folder, const std::vector<std::string>& overrides);

}  // namespace lact
