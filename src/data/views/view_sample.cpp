#include "data/views/view_sample.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/file_work.hpp"

namespace lact {
namespace {

// A view as a sample shows it: itself, or the one that stands in for it.
struct Shown {
  std::int64_t view = 0;
  PosedView picture;
};

std::optional<Shown> shown(const Reader& r, std::int64_t scene, std::int64_t view, const StandIns& stand_ins,
                           std::string* why) {
  std::vector<std::int64_t> views{view};
  for (std::size_t i = 0; i < views.size(); ++i) {
    try {
      return Shown{views[i], r.source.load(scene, views[i], r.config.height(), r.config.width())};
    } catch (const DamagedPicture& e) {
      if (!stand_ins) throw;
      if (i > 0) continue;
      *why = e.what();
    }
    for (std::int64_t v : stand_ins(view)) views.push_back(v);
  }
  return {};
}

std::vector<std::int64_t> views_of(const ViewChoice& choice) {
  std::vector<std::int64_t> views = choice.inputs;
  views.insert(views.end(), choice.targets.begin(), choice.targets.end());
  return views;
}

// Room for all views of a choice.
ViewSample empty_sample(const ViewChoice& choice, const DataConfig& config) {
  ViewSample sample{choice, {}, {}, {}};
  const std::size_t views = choice.inputs.size() + choice.targets.size();
  sample.images.resize(views * 3 * std::size_t(config.height() * config.width()));
  sample.intrinsics.resize(views * 4);
  return sample;
}

void put(ViewSample& sample, std::size_t at, const PosedView& picture) {
  std::ranges::copy(picture.rgb, sample.images.begin() + std::ptrdiff_t(at * picture.rgb.size()));
  std::ranges::copy(picture.intrinsics, sample.intrinsics.begin() + std::ptrdiff_t(at * 4));
}

// Poses of the views, normalised where asked as the drawn ones are: a damaged picture has a camera all the same.
void put_poses(ViewSample& sample, const ViewSource& source, const std::vector<std::int64_t>& views, bool normalise) {
  std::vector<Pose> poses;
  for (const std::vector<std::int64_t>* list : {&std::as_const(sample.choice.drawn), &views})
    for (std::int64_t v : *list) poses.push_back(source.camera(sample.choice.scene, v).c2w);
  const std::size_t drawn = sample.choice.drawn.size();
  if (normalise) normalise_poses(poses, drawn);
  for (std::size_t i = drawn; i < poses.size(); ++i)
    sample.poses.insert(sample.poses.end(), poses[i].begin(), poses[i].end());
}

}  // namespace

std::optional<ViewSample> training_sample(const Reader& r, const ViewChoice& drawn, const StandIns& stand_ins,
                                          std::string* why) {
  ViewSample sample = empty_sample(drawn, r.config);
  std::vector<std::int64_t> views = views_of(drawn);
  for (std::size_t at = 0; at < views.size(); ++at) {
    if (r.stop.stop_requested()) return sample;
    if (!r.seen[at]) continue;
    const std::optional<Shown> found = shown(r, drawn.scene, views[at], stand_ins, why);
    if (!found) return {};
    views[at] = found->view;
    put(sample, at, found->picture);
  }
  put_poses(sample, r.source, views, r.config.scene_pose_normalize);
  return sample;
}

ViewSample chosen_sample(const ViewSource& source, ViewChoice choice, const DataConfig& config) {
  const FileWork work("reading pictures of", source.scene_title(choice.scene));
  std::map<std::int64_t, PosedView> read;  // each once: what could be read may not fail later
  auto good = [&](std::int64_t v) {
    if (read.contains(v)) return true;
    try {
      read[v] = source.load(choice.scene, v, config.height(), config.width());
      return true;
    } catch (const DamagedPicture&) {
      if (!config.skips_damaged()) throw;
      return false;
    }
  };
  std::erase_if(choice.targets, [&](std::int64_t v) { return !good(v); });
  const auto train = split_views(source.views(choice.scene), config.held_out, source.scene_title(choice.scene)).train;
  std::vector<std::int64_t> inputs;
  for (std::int64_t input : choice.inputs) {
    const auto next = std::size_t(std::ranges::upper_bound(train, input) - train.begin());
    for (std::size_t i = 0; i < train.size() && !good(input); ++i)
      if (const std::int64_t v = train[(next + i) % train.size()];
          std::ranges::find(choice.inputs, v) == choice.inputs.end() && std::ranges::find(inputs, v) == inputs.end())
        input = v;
    if (good(input)) inputs.push_back(input);
  }
  choice.inputs = std::move(inputs);
  ViewSample sample = empty_sample(choice, config);
  const std::vector<std::int64_t> views = views_of(choice);
  for (std::size_t at = 0; at < views.size(); ++at) put(sample, at, read.at(views[at]));
  put_poses(sample, source, views, config.scene_pose_normalize);
  return sample;
}

Sample to_sample(ViewSample views, const DataConfig& config) {
  const auto inputs = std::int64_t(views.choice.inputs.size()), targets = std::int64_t(views.choice.targets.size());
  const std::int64_t v = inputs + targets;
  Sample sample;
  sample.tensors.push_back({"images", {v, 3, config.height(), config.width()}, std::move(views.images)});
  sample.tensors.push_back({"intrinsics", {v, 4}, std::move(views.intrinsics)});
  sample.tensors.push_back({"poses", {v, 4, 4}, std::move(views.poses)});
  sample.sizes = {{"input_views", inputs}, {"target_views", targets}};
  return sample;
}

ViewBatch batch_of(ViewSample views, const DataConfig& config, Device& device) {
  std::vector<Sample> one;
  one.push_back(to_sample(std::move(views), config));
  ViewBatch b = batch_of(one, device);
  b.valid = double(b.target_views * 3 * config.height() * config.width());
  return b;
}

}  // namespace lact
