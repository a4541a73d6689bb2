#include "data/loader.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/cores.hpp"
#include "base/file_work.hpp"
#include "data/scene_folder.hpp"

namespace lact {
namespace {

std::string name_of(const DataConfig& config) { return config.path.empty() ? "generated scenes" : config.path; }

}  // namespace

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

Loader::Loader(const ViewSource& source, DataConfig config, std::uint64_t seed, Device& device, std::vector<bool> seen)
    : source_(source), config_(std::move(config)), seed_(seed), device_(device), seen_(std::move(seen)) {
  check_data(config_);
  const auto views = std::size_t(config_.num_input_views + config_.num_target_views);
  if (seen_.empty()) seen_.assign(views, true);
  check(seen_.size() == views, "{} of the {} views of a sample are said to be seen or not", seen_.size(), views);
  training_ = training_views(source_, config_);
  if (device.backend() != Backend::cpu) sending_ = device.make_stream();
  const MakingThreads making;
  for (std::int64_t i = 0; i < config_.threads; ++i)
    workers_.emplace_back([this](std::stop_token stop) { work(std::move(stop)); });
}

Loader::~Loader() {
  for (std::jthread& worker : workers_) worker.request_stop();  // all at once; each then joins by itself
  if (sent_) received();                                        // its memory is not used again before
}

Batch Loader::batch(std::int64_t first, std::int64_t count, std::int64_t stride) {
  check(first >= 0 && count > 0 && stride >= 0, "there are no {} samples from {} on in steps of {}", count, first,
        stride);
  const Plan asked{first, count, stride > 0 ? stride : count};
  {
    std::lock_guard lock(mutex_);
    const bool expected = plan_.count == count && plan_.stride == asked.stride && plan_.sample(given_) == first;
    if (!expected) {
      if (sent_) received();
      restart(asked);
    }
    given_ += count;
  }
  if (!sent_) sent_ = send(count);
  Batch batch = received();
  if (sending_ && next_is_ready()) sent_ = send(count);
  return batch;
}

Loader::Sent Loader::send(std::int64_t count) {
  std::vector<Sample> samples;
  for (std::int64_t i = 0; i < count; ++i) {
    Prepared next = take();
    if (next.error) {
      std::lock_guard lock(mutex_);
      restart({});
      std::rethrow_exception(next.error);
    }
    samples.push_back(std::move(next.sample));
  }
  Sent s;
  s.batch = batch_of(samples, config_, device_, sending_.get());
  if (sending_) s.there = sending_->mark();
  return s;
}

bool Loader::next_is_ready() {
  std::lock_guard lock(mutex_);
  for (std::int64_t i = 0; i < plan_.count; ++i) {
    const auto found = ready_.find(taken_ + i);
    if (found == ready_.end() || found->second.error) return false;
  }
  return true;
}

Batch Loader::received() {
  device_.compute().wait(sent_->there);
  Batch batch = std::move(sent_->batch);
  sent_.reset();
  return batch;
}

std::int64_t Loader::ready_bytes() {
  std::lock_guard lock(mutex_);
  std::size_t numbers = 0;
  for (const auto& [place, p] : ready_)
    numbers += p.sample.images.size() + p.sample.intrinsics.size() + p.sample.poses.size();
  return std::int64_t(numbers * sizeof(float));
}

Loader::Prepared Loader::take() {
  std::unique_lock lock(mutex_);
  const std::int64_t place = taken_++;
  const FileWork work("reading pictures of", name_of(config_));
  if (workers_.empty()) return prepare(plan_.sample(place), {});
  changed_.notify_all();
  changed_.wait(lock, [&] { return ready_.contains(place); });
  return std::move(ready_.extract(place).mapped());
}

Loader::Prepared Loader::prepare(std::int64_t sample, const std::stop_token& stop) const {
  try {
    const Reader reader{source_, config_, seen_, stop};
    const ViewChoice drawn = choice(sample);
    if (!config_.skips_damaged()) return {*training_sample(reader, drawn), nullptr};
    std::string why;
    auto read = [&](const ViewChoice& from) {
      auto others = [&](std::int64_t view) { return stand_ins(seed_, sample, view, from, training_); };
      std::optional<Sample> found = training_sample(reader, from, others, &why);
      if (!found) note_lost(from.scene);
      return found;
    };
    std::optional<Sample> found = read(drawn);
    if (!found)
      for (const std::int64_t i : stand_in_scenes(seed_, sample, drawn.scene, training_))
        if ((found = read(choose_views_of(training_[std::size_t(i)], seed_, sample, config_)))) break;
    check(found.has_value(), "{}: all pictures of all {} scenes to train on are damaged; {}", name_of(config_),
          training_.size(), why);
    return {*std::move(found), nullptr};
  } catch (...) {
    return {{}, std::current_exception()};
  }
}

void Loader::note_lost(std::int64_t scene) const {
  std::lock_guard lock(lost_mutex_);
  lost_.insert(scene);
}

std::vector<std::string> Loader::lost_scenes() const {
  std::lock_guard lock(lost_mutex_);
  std::vector<std::string> sentences;
  for (const std::int64_t s : lost_)
    sentences.push_back(sentence("{}: all pictures of its views to train on are damaged", source_.scene_title(s)));
  return sentences;
}

void Loader::work(std::stop_token stop) {
  FileWork::leave_out_this_thread();  // whoever needs a sample tells that it waits for pictures
  std::unique_lock lock(mutex_);
  while (true) {
    // One batch ahead, another where it is sent ahead, and a sample for each thread, so that none idles at a batch's
    // end.
    const std::int64_t ahead = sending_ ? 2 : 1;
    auto room = [&] { return plan_.count > 0 && begun_ < given_ + ahead * plan_.count + config_.threads; };
    if (!changed_.wait(lock, stop, room)) return;
    const std::int64_t place = begun_++, round = round_, sample = plan_.sample(place);
    lock.unlock();
    Prepared prepared = prepare(sample, stop);
    lock.lock();
    if (round == round_) ready_[place] = std::move(prepared);
    changed_.notify_all();
  }
}

void Loader::restart(Plan plan) {
  plan_ = plan;
  begun_ = taken_ = given_ = 0;
  ++round_;
  ready_.clear();
  changed_.notify_all();
}

}  // namespace lact
