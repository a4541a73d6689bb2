#include "data/loader.hpp"

#include <algorithm>
#include <functional>

#include "base/check.hpp"
#include "base/cores.hpp"
#include "base/file_work.hpp"
#include "data/scene_folder.hpp"
#include "parallel/world.hpp"

namespace lact {
namespace {

using Sample = Loader::Sample;

std::string name_of(const DataConfig& config) { return config.path.empty() ? "generated scenes" : config.path; }

// A view as a sample shows it: itself, or the one that stands in for it.
struct Shown {
  std::int64_t view = 0;
  PosedView picture;
};
using StandIns = std::function<std::vector<std::int64_t>(std::int64_t view)>;

Shown shown(const ViewSource& source, std::int64_t scene, std::int64_t view, const DataConfig& config,
            const StandIns& stand_ins) {
  std::vector<std::int64_t> views{view};
  std::string why;
  for (std::size_t i = 0; i < views.size(); ++i) {
    try {
      return {views[i], source.load(scene, views[i], config.height(), config.width())};
    } catch (const DamagedPicture& e) {
      if (!stand_ins) throw;
      if (i > 0) continue;
      why = e.what();
    }
    for (std::int64_t v : stand_ins(view)) views.push_back(v);
  }
  fail("scene '{}': all pictures of its {} views to train on are damaged; {}", source.scene_name(scene), views.size(),
       why);
}

// Poses of the views, normalised where asked as the drawn ones are: a damaged picture has a camera all the same.
std::vector<Pose> poses_of(const ViewSource& source, const ViewChoice& choice, const std::vector<std::int64_t>& views,
                           bool normalise) {
  std::vector<Pose> poses;
  for (const auto* list : {&choice.drawn, &views})
    for (std::int64_t v : *list) poses.push_back(source.camera(choice.scene, v).c2w);
  const auto drawn = std::ptrdiff_t(choice.drawn.size());
  if (normalise) normalise_poses(poses, std::size_t(drawn));
  return {poses.begin() + drawn, poses.end()};
}

// Returns early, with less than a sample, when asked to stop.
Sample gather(const ViewSource& source, const ViewChoice& choice, const DataConfig& config,
              const std::vector<bool>& seen, const std::stop_token& stop, const StandIns& stand_ins = {}) {
  Sample sample;
  std::vector<std::int64_t> views = choice.inputs;
  views.insert(views.end(), choice.targets.begin(), choice.targets.end());
  const std::size_t numbers = 3 * std::size_t(config.height() * config.width());
  sample.images.resize(views.size() * numbers), sample.intrinsics.resize(views.size() * 4);
  for (std::size_t at = 0; at < views.size(); ++at) {
    if (stop.stop_requested()) return sample;
    if (!seen[at]) continue;
    const auto [view, picture] = shown(source, choice.scene, views[at], config, stand_ins);
    views[at] = view;
    std::ranges::copy(picture.rgb, sample.images.begin() + std::ptrdiff_t(at * numbers));
    std::ranges::copy(picture.intrinsics, sample.intrinsics.begin() + std::ptrdiff_t(at * 4));
  }
  for (const Pose& pose : poses_of(source, choice, views, config.scene_pose_normalize))
    sample.poses.insert(sample.poses.end(), pose.begin(), pose.end());
  return sample;
}

bool is_readable(const ViewSource& source, std::int64_t scene, std::int64_t view, const DataConfig& config) {
  try {
    source.load(scene, view, config.height(), config.width());
    return true;
  } catch (const DamagedPicture&) {
    if (!config.skips_damaged()) throw;
    return false;
  }
}

// Copies, in the order of the compute stream or of `in`.
Batch batch_of(const std::vector<Sample>& samples, std::int64_t inputs, std::int64_t targets, const DataConfig& config,
               Device& device, Stream* in = nullptr) {
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

}  // namespace

std::unique_ptr<WatchedViews> open_views(const DataConfig& config) {
  check_data(config);
  const FileWork work("reading the scenes of", name_of(config));
  std::unique_ptr<ViewSource> source;
  if (config.path.empty())
    source = std::make_unique<SyntheticScenes>(config.synthetic, config.cache_mb << 20);
  else
    source = std::make_unique<SceneFolder>(config.path, config.cache_mb << 20,
                                           SceneFolder::Opening{config.follow_links, world_info().rank == 0});
  return std::make_unique<WatchedViews>(std::move(source));
}

ViewChoice readable(const ViewSource& source, ViewChoice choice, const DataConfig& config) {
  auto good = [&](std::int64_t v) { return is_readable(source, choice.scene, v, config); };
  std::erase_if(choice.targets, [&](std::int64_t v) { return !good(v); });
  const auto train = split_views(source.views(choice.scene), config.held_out, source.scene_name(choice.scene)).train;
  for (std::int64_t& input : choice.inputs) {
    if (good(input)) continue;
    const auto next = std::ranges::upper_bound(train, input) - train.begin();
    bool found = false;
    for (std::size_t i = 0; i < train.size() && !found; ++i) {
      const std::int64_t v = train[(std::size_t(next) + i) % train.size()];
      found = std::ranges::find(choice.inputs, v) == choice.inputs.end() && good(v);
      if (found) input = v;
    }
    if (!found) choice.targets.clear();
  }
  return choice;
}

Batch assemble(const ViewSource& source, const ViewChoice& choice, const DataConfig& config, Device& device) {
  const FileWork work("reading pictures of", source.scene_name(choice.scene));
  const std::vector<bool> all(choice.inputs.size() + choice.targets.size(), true);
  return batch_of({gather(source, choice, config, all, {})}, std::int64_t(choice.inputs.size()),
                  std::int64_t(choice.targets.size()), config, device);
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
  s.batch = batch_of(samples, config_.num_input_views, config_.num_target_views, config_, device_, sending_.get());
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

Loader::Prepared Loader::prepare(std::int64_t sample, std::stop_token stop) const {
  try {
    const ViewChoice drawn = choice(sample);
    StandIns others;
    if (config_.skips_damaged())
      others = [&](std::int64_t view) { return stand_ins(seed_, sample, view, drawn, training_); };
    return {gather(source_, drawn, config_, seen_, stop, others), nullptr};
  } catch (...) {
    return {{}, std::current_exception()};
  }
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
