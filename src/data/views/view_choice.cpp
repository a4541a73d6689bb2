#include "data/views/view_choice.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/random.hpp"

namespace lact {
namespace {

bool holds(const std::vector<std::int64_t>& list, std::int64_t x) {
  return std::find(list.begin(), list.end(), x) != list.end();
}

}  // namespace

Split split_views(std::int64_t views, const std::vector<std::int64_t>& held_out, const std::string& title) {
  for (std::int64_t v : held_out)
    check(v >= 0 && v < views, "data.held_out names view {}, but {} has {} views", v, title, views);
  Split split;
  for (std::int64_t v = 0; v < views; ++v) (holds(held_out, v) ? split.held_out : split.train).push_back(v);
  return split;
}

std::vector<SceneViews> training_views(const ViewSource& source, const DataConfig& config) {
  for (std::int64_t s : config.held_out_scenes)
    check(s >= 0 && s < source.scenes(), "data.held_out_scenes names scene {}, but there are {}", s, source.scenes());
  std::vector<SceneViews> all;
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    if (holds(config.held_out_scenes, s)) continue;
    const std::string title = source.scene_title(s);
    SceneViews one{s, split_views(source.views(s), config.held_out, title).train};
    check(std::int64_t(one.train.size()) >= config.num_all_views,
          "{} has {} views to train on, fewer than data.num_all_views, {}", title, one.train.size(),
          config.num_all_views);
    all.push_back(std::move(one));
  }
  check(!all.empty(), "data.held_out_scenes leaves none of {} scenes to train on", source.scenes());
  return all;
}

ViewChoice choose_views(std::uint64_t seed, std::int64_t sample, std::span<const SceneViews> scenes,
                        const DataConfig& config) {
  check(sample >= 0 && !scenes.empty(), "there is no sample {} of {} scenes", sample, scenes.size());
  const auto count = std::int64_t(scenes.size()), epoch = sample / count, turn = sample % count;
  const auto order = sample_without_replacement(random_key(seed, "data.scenes", epoch), count, count);
  return choose_views_of(scenes[std::size_t(order[std::size_t(turn)])], seed, sample, config);
}

ViewChoice choose_views_of(const SceneViews& from, std::uint64_t seed, std::int64_t sample, const DataConfig& config) {
  ViewChoice choice{from.scene, {}, {}, {}};
  for (std::int64_t i : sample_without_replacement(random_key(seed, "data.views", sample),
                                                   std::int64_t(from.train.size()), config.num_all_views))
    choice.drawn.push_back(from.train[std::size_t(i)]);
  choice.inputs.assign(choice.drawn.begin(), choice.drawn.begin() + config.num_input_views);
  choice.targets.assign(choice.drawn.end() - config.num_target_views, choice.drawn.end());
  return choice;
}

std::vector<std::int64_t> stand_in_scenes(std::uint64_t seed, std::int64_t sample, std::int64_t scene,
                                          std::span<const SceneViews> scenes) {
  const auto count = std::int64_t(scenes.size());
  auto order = sample_without_replacement(random_key(seed, "data.stand_in_scenes", sample), count, count);
  std::erase_if(order, [&](std::int64_t i) { return scenes[std::size_t(i)].scene == scene; });
  return order;
}

std::vector<std::int64_t> stand_ins(std::uint64_t seed, std::int64_t sample, std::int64_t view,
                                    const ViewChoice& choice, std::span<const SceneViews> scenes) {
  const auto& from = *std::ranges::find(scenes, choice.scene, &SceneViews::scene);
  const std::uint64_t key = random_key(random_key(seed, "data.stand_ins", sample), "view", view);
  const auto count = std::int64_t(from.train.size());
  std::vector<std::int64_t> others;
  for (std::int64_t i : sample_without_replacement(key, count, count)) others.push_back(from.train[std::size_t(i)]);
  std::erase(others, view);
  std::ranges::stable_partition(others, [&](std::int64_t v) { return !holds(choice.drawn, v); });
  return others;
}

ViewChoice given_views(std::int64_t scene, std::vector<std::int64_t> inputs, std::vector<std::int64_t> targets) {
  ViewChoice choice{scene, {}, std::move(inputs), std::move(targets)};
  for (const auto* list : {&choice.inputs, &choice.targets})
    for (std::int64_t v : *list)
      if (!holds(choice.drawn, v)) choice.drawn.push_back(v);
  return choice;
}

std::vector<std::int64_t> evaluation_inputs(const Split& split, const DataConfig& config, const std::string& title) {
  const auto views = std::int64_t(split.train.size() + split.held_out.size());
  for (std::int64_t v : config.eval_inputs) {
    check(v >= 0 && v < views, "data.eval_inputs names view {}, but {} has {} views", v, title, views);
    check(!holds(split.held_out, v), "data.eval_inputs names view {}, which data.held_out keeps for judging", v);
  }
  if (!config.eval_inputs.empty()) return config.eval_inputs;
  const auto train = std::int64_t(split.train.size()), count = config.num_input_views;
  check(count <= train, "{} has {} views that are not held out, fewer than data.num_input_views, {}", title, train,
        count);
  std::vector<std::int64_t> inputs;
  for (std::int64_t i = 0; i < count; ++i) inputs.push_back(split.train[std::size_t(i * train / count)]);
  return inputs;
}

}  // namespace lact
