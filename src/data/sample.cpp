#include "data/sample.hpp"

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
Sample empty_sample(const ViewChoice& choice, const DataConfig& config) {
  Sample sample{choice, {}, {}, {}};
  const std::size_t views = choice.inputs.size() + choice.targets.size();
  sample.images.resize(views * 3 * std::size_t(config.height() * config.width()));
  sample.intrinsics.resize(views * 4);
  return sample;
}

void put(Sample& sample, std::size_t at, const PosedView& picture) {
  std::ranges::copy(picture.rgb, sample.images.begin() + std::ptrdiff_t(at * picture.rgb.size()));
  std::ranges::copy(picture.intrinsics, sample.intrinsics.begin() + std::ptrdiff_t(at * 4));
}

// Poses of the views, normalised where asked as the drawn ones are: a damaged picture has a camera all the same.
void put_poses(Sample& sample, const ViewSource& source, const std::vector<std::int64_t>& views, bool normalise) {
  std::vector<Pose> poses;
  for (const std::vector<std::int64_t>* list : {&std::as_const(sample.choice.drawn), &views})
    for (std::int64_t v : *list) poses.push_back(source.camera(sample.choice.scene, v).c2w);
  const std::size_t drawn = sample.choice.drawn.size();
  if (normalise) normalise_poses(poses, drawn);
  for (std::size_t i = drawn; i < poses.size(); ++i)
    sample.poses.insert(sample.poses.end(), poses[i].begin(), poses[i].end());
}

}  // namespace

std::optional<Sample> training_sample(const Reader& r, const ViewChoice& drawn, const StandIns& stand_ins,
                                      std::string* why) {
  Sample sample = empty_sample(drawn, r.config);
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

Sample chosen_sample(const ViewSource& source, ViewChoice choice, const DataConfig& config) {
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
  Sample sample = empty_sample(choice, config);
  const std::vector<std::int64_t> views = views_of(choice);
  for (std::size_t at = 0; at < views.size(); ++at) put(sample, at, read.at(views[at]));
  put_poses(sample, source, views, config.scene_pose_normalize);
  return sample;
}

Batch batch_of(const std::vector<Sample>& samples, const DataConfig& config, Device& device, Stream* in) {
  const auto inputs = std::int64_t(samples[0].choice.inputs.size()),
             targets = std::int64_t(samples[0].choice.targets.size());
  const std::int64_t n = std::int64_t(samples.size()), h = config.height(), w = config.width(), v = inputs + targets;
  Batch batch;
  batch.images = Tensor::empty(device, {n, v, 3, h, w});
  batch.intrinsics = Tensor::empty(device, {n, v, 4});
  batch.poses = Tensor::empty(device, {n, v, 4, 4});
  if (in != nullptr) in->wait(device.compute().mark());  // who used this memory before comes first
  auto copy = [&](const Tensor& to, const std::vector<float>& numbers) {
    device.copy_in(to.raw(), numbers.data(), numbers.size() * sizeof(float), in);
  };
  for (std::int64_t i = 0; i < n; ++i) {
    const Sample& s = samples[std::size_t(i)];
    copy(batch.images.select(0, i), s.images), copy(batch.intrinsics.select(0, i), s.intrinsics);
    copy(batch.poses.select(0, i), s.poses);
  }
  batch.input_views = inputs, batch.target_views = targets;
  batch.valid = double(n * targets * 3 * h * w);
  return batch;
}

}  // namespace lact
