#include "data/views/open_views.hpp"

#include "base/file_work.hpp"
#include "data/views/scene_folder.hpp"

namespace lact {

std::string name_of(const DataConfig& config) { return config.path.empty() ? "generated scenes" : config.path; }

std::unique_ptr<WatchedViews> open_views(const DataConfig& config, bool looks) {
  check_data(config);
  const FileWork work("reading the scenes of", name_of(config));
  const std::int64_t cache = config.cache_mb << 20;
  if (config.path.empty())
    return std::make_unique<WatchedViews>(std::make_unique<SyntheticScenes>(config.synthetic, cache));
  auto views = std::make_unique<WatchedViews>(std::make_unique<SceneFolder>(config.path, cache, config.follow_links));
  if (looks) look_at_some(*views);
  return views;
}

}  // namespace lact
