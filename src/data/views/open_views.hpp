// The scenes that a config names.
#pragma once
#include "data/views/config.hpp"
#include "data/views/watched_views.hpp"

namespace lact {

// The scenes of data.path, or generated ones where it is empty. All keys are checked first. `looks`: at some of the
// pictures, see look_at_some(); of several ranks one is enough.
std::unique_ptr<WatchedViews> open_views(const DataConfig& config, bool looks = true);
// "generated scenes", or the path: for sentences.
std::string name_of(const DataConfig& config);

}  // namespace lact
