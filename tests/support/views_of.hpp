// What a config of view synthesis has below `model` and `data`.
#pragma once
#include "models/view_synthesis/task.hpp"
#include "train/config.hpp"

namespace lact {

inline ViewSynthesisTask& views_of(RunConfig& c) { return c.task.as<ViewSynthesisTask>(); }
inline const ViewSynthesisTask& views_of(const RunConfig& c) { return c.task.as<ViewSynthesisTask>(); }
// A run's model, to be asked what only view synthesis can do.
inline ViewSynthesis& view_synthesis(Model& m) { return dynamic_cast<ViewSynthesis&>(m); }

}  // namespace lact
