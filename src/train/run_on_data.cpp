#include "train/run_on_data.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "data/loader.hpp"
#include "files/json.hpp"
#include "train/run_folder.hpp"

namespace lact {
namespace {

// The scene has the name, the number of views and the pictures that RUN/views.json says.
bool is_scene(const Json& listed, const ViewSource& source, std::int64_t s) {
  if (listed["scene"].text() != source.scene_name(s)) return false;
  if (!listed.has("pictures")) {  // generated, and perhaps written to files meanwhile; held-out scenes train nothing
    const std::int64_t train = listed["train"].size();
    return train == 0 || train + listed["held_out"].size() == source.views(s);
  }
  const std::vector<Json> pictures = listed["pictures"].items();
  if (std::int64_t(pictures.size()) != source.views(s)) return false;
  for (std::int64_t v = 0; v < source.views(s); ++v)
    if (pictures[std::size_t(v)].text() != std::filesystem::path(source.camera(s, v).image).filename()) return false;
  return true;
}

struct Known {
  bool scenes = true, order = true;  // all scenes are ones of the run; they are all of them in their order
};
Known known_to(const std::string& run_folder, const ViewSource& source) {
  const std::string path = run_folder + "/views.json";
  if (!std::filesystem::exists(path)) return {};  // weights that were converted name no views
  std::map<std::string, std::pair<Json, std::int64_t>> of_run;
  for (const Json& scene : Json::read(path, 1 << 28).items())
    of_run.emplace(scene["scene"].text(), std::pair(scene, std::int64_t(of_run.size())));
  Known k{.order = source.scenes() == std::int64_t(of_run.size())};
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    const auto found = of_run.find(source.scene_name(s));
    if (found == of_run.end() || !is_scene(found->second.first, source, s)) return {false, false};
    k.order = k.order && found->second.second == s;
  }
  return k;
}

}  // namespace

RunOnData run_on_data(const std::string& run_folder, const std::vector<std::string>& overrides) {
  RunConfig cfg = config_of_run(run_folder, overrides);
  const bool same_path = cfg.data.path.place() == config_of_run(run_folder).data.path.place();
  auto source = same_path ? open_views_of_run(cfg) : open_views(cfg.data);
  const bool same = same_path || has_fingerprints_of(run_folder, *source);
  const Known known = same ? Known() : known_to(run_folder, *source);
  auto forget = [&](const std::string& key, std::vector<std::int64_t>& list) {
    if (std::ranges::none_of(overrides, [&](const std::string& o) { return o.starts_with(key + "="); })) list.clear();
  };
  if (!known.order) forget("data.held_out_scenes", cfg.data.held_out_scenes);
  if (!known.scenes) forget("data.held_out", cfg.data.held_out), forget("data.eval_inputs", cfg.data.eval_inputs);
  return {std::move(cfg), std::move(source)};
}

}  // namespace lact
