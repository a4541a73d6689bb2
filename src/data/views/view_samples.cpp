#include "data/views/view_samples.hpp"

#include "base/check.hpp"
#include "data/views/open_views.hpp"

namespace lact {

ViewSamples::ViewSamples(const ViewSource& source, DataConfig config, std::uint64_t seed, std::vector<bool> seen)
    : source_(source), config_(std::move(config)), seed_(seed), seen_(std::move(seen)) {
  check_data(config_);
  const auto views = std::size_t(config_.num_input_views + config_.num_target_views);
  if (seen_.empty()) seen_.assign(views, true);
  check(seen_.size() == views, "{} of the {} views of a sample are said to be seen or not", seen_.size(), views);
  training_ = training_views(source_, config_);
}

FileWork ViewSamples::reading() const { return {"reading pictures of", name_of(config_)}; }

double ViewSamples::valid(Range numbers) const {
  return double(numbers.size() * config_.num_target_views * 3 * config_.height() * config_.width());
}

Sample ViewSamples::read(std::int64_t number, const std::stop_token& stop) const {
  return to_sample(read_views(number, stop), config_);
}

ViewSample ViewSamples::read_views(std::int64_t number, const std::stop_token& stop) const {
  const Reader reader{source_, config_, seen_, stop};
  const ViewChoice drawn = choice(number);
  if (!config_.skips_damaged()) return *training_sample(reader, drawn);
  std::string why;
  auto read = [&](const ViewChoice& from) {
    auto others = [&](std::int64_t view) { return stand_ins(seed_, number, view, from, training_); };
    std::optional<ViewSample> found = training_sample(reader, from, others, &why);
    if (!found) note_lost(from.scene);
    return found;
  };
  std::optional<ViewSample> found = read(drawn);
  if (!found)
    for (const std::int64_t i : stand_in_scenes(seed_, number, drawn.scene, training_))
      if ((found = read(choose_views_of(training_[std::size_t(i)], seed_, number, config_)))) break;
  check(found.has_value(), "{}: all pictures of all {} scenes to train on are damaged; {}", name_of(config_),
        training_.size(), why);
  return *std::move(found);
}

void ViewSamples::note_lost(std::int64_t scene) const {
  std::lock_guard lock(lost_mutex_);
  lost_.insert(scene);
}

std::vector<std::string> ViewSamples::replaced() const {
  std::lock_guard lock(lost_mutex_);
  std::vector<std::string> sentences;
  for (const std::int64_t s : lost_)
    sentences.push_back(sentence("{}: all pictures of its views to train on are damaged", source_.scene_title(s)));
  return sentences;
}

}  // namespace lact
