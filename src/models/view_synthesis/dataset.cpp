#include "models/view_synthesis/dataset.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "files/whole_file.hpp"
#include "models/view_synthesis/evaluator.hpp"
#include "models/view_synthesis/scene_records.hpp"

namespace lact {

std::string ViewDataset::text() const { return sentence("{} scenes", source_->scenes()); }

std::unique_ptr<Samples> ViewDataset::samples(std::uint64_t seed, const Model& model, const Mesh& mesh) const {
  const auto& views = dynamic_cast<const ViewSynthesis&>(model);
  return std::make_unique<ViewSamples>(
      *source_, config_, seed,
      views.views_seen(mesh, config_.num_input_views, config_.num_target_views, config_.height(), config_.width()));
}

std::unique_ptr<Evaluator> ViewDataset::evaluator(Model& model) const {
  return std::make_unique<ViewEvaluator>(dynamic_cast<ViewSynthesis&>(model), *source_, config_);
}

void ViewDataset::tell_damage(const Samples* samples, Communicator& world) {
  damaged_pictures_.tell(source_->damaged(), world);
  if (samples != nullptr) damaged_scenes_.tell(samples->replaced(), world);
}

void ViewDataset::refuse_damage(Communicator& world) const {
  if (!config_.skips_damaged()) refuse_damaged(*source_, config_, world);
}

void ViewDataset::check_same(const std::string& run_dir, const Path& before, bool has_steps) const {
  const auto records = records_in(run_dir);
  if (!records) return;
  const bool elsewhere = before.place() != config_.path.place();
  if (!has_steps && !elsewhere) return;
  const std::string path = run_dir + "/views.json";
  auto refuse = [&](const std::string& why) {
    check(elsewhere, "{}: the scenes or their views are no longer those that the run began with ({})", path, why);
    fail("data.path={}: other scenes or views than those that the run in {} began with at data.path={} ({})",
         config_.path, run_dir, before, why);
  };
  const ViewSource& source = *source_;
  if (std::int64_t(records->size()) != source.scenes())
    refuse(fill("{} scenes, there were {}", {source.scenes(), records->size()}));
  std::int64_t changed = 0;
  std::string first;
  for (std::int64_t s = 0; const SceneRecord& views : scene_views(source, config_, training_views(source, config_))) {
    const SceneRecord& record = (*records)[std::size_t(s)];
    if (views.train != record.train || views.held_out != record.held_out || views.pictures != record.pictures)
      refuse(fill("the views of {}", {source.scene_title(s)}));
    if (!is_like(record, source, s)) refuse(fill("the cameras of {}", {source.scene_title(s)}));
    std::string picture;
    if (contents_of(record, source, s++, &picture) != Contents::changed) continue;
    if (elsewhere) refuse(picture);
    if (changed++ == 0) first = picture;
  }
  if (changed > 0)
    log::warning("{}: is another picture than the one that the run in {} began with; so it is in {} of {} scenes",
                 first, run_dir, changed, source.scenes());
}

void ViewDataset::write_record(const std::string& run_dir, bool has_steps) const {
  const auto before = records_in(run_dir);
  const bool known_again = before && std::ranges::none_of(*before, [](const auto& r) { return r.cameras.empty(); });
  if (has_steps && known_again) return;  // it says what the run began with
  write_whole(run_dir + "/views.json", text_of(scene_records(*source_, config_, training_views(*source_, config_))));
}

void ViewDataset::judge_run(const std::string& run_folder, const std::vector<std::string>& told_keys) {
  const auto of_run = records_in(run_folder);
  if (!of_run) return;  // weights that were converted name no views
  const std::vector<std::int64_t> known = known_scenes(*of_run, *source_);
  auto is_told = [&](const char* key) { return std::ranges::find(told_keys, key) != told_keys.end(); };
  const bool foreign = std::ranges::count(known, -1) > 0;
  if (!is_told("data.held_out_scenes")) {
    config_.held_out_scenes.clear();
    for (std::int64_t s = 0; s < source_->scenes() && !foreign; ++s)
      if ((*of_run)[std::size_t(known[std::size_t(s)])].train.empty()) config_.held_out_scenes.push_back(s);
  }
  if (foreign && !is_told("data.held_out")) config_.held_out.clear();
  if (foreign && !is_told("data.eval_inputs")) config_.eval_inputs.clear();
}

}  // namespace lact
