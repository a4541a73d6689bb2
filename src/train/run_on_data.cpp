#include "train/run_on_data.hpp"

#include <algorithm>

#include "data/loader.hpp"
#include "train/run_folder.hpp"
#include "train/run_views.hpp"

namespace lact {
RunOnData run_on_data(const std::string& run_folder, const std::vector<std::string>& overrides) {
  RunConfig cfg = config_of_run(run_folder, overrides);
  const bool same_path = cfg.data.path.place() == config_of_run(run_folder).data.path.place();
  auto source = same_path ? open_views_of_run(cfg) : open_views(cfg.data);
  const auto of_run = same_path ? std::nullopt : records_in(run_folder);
  if (!of_run) return {std::move(cfg), std::move(source)};  // weights that were converted name no views
  const std::vector<std::int64_t> known = known_scenes(*of_run, *source);
  auto is_told = [&](const std::string& key) {
    return std::ranges::any_of(overrides, [&](const std::string& o) { return o.starts_with(key + "="); });
  };
  const bool foreign = std::ranges::count(known, -1) > 0;
  if (!is_told("data.held_out_scenes")) {
    cfg.data.held_out_scenes.clear();
    for (std::int64_t s = 0; s < source->scenes() && !foreign; ++s)
      if ((*of_run)[std::size_t(known[std::size_t(s)])].train.empty()) cfg.data.held_out_scenes.push_back(s);
  }
  if (foreign && !is_told("data.held_out")) cfg.data.held_out.clear();
  if (foreign && !is_told("data.eval_inputs")) cfg.data.eval_inputs.clear();
  return {std::move(cfg), std::move(source)};
}

}  // namespace lact
