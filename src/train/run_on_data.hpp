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
// The config of a run with key=value pairs, and the scenes of its data.path. Where these are others than the run was
// trained on, what names views and scenes of those (data.held_out, data.held_out_scenes, data.eval_inputs) does not
// count, unless a pair says it. The run's own scenes, moved or some of them, are told by their fingerprints, or by
// their names and those of their pictures.
RunOnData run_on_data(const std::string& run_folder, const std::vector<std::string>& overrides);

}  // namespace lact
