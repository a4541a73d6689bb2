#include "data/loader.hpp"

#include "base/check.hpp"
#include "base/cores.hpp"

namespace lact {

Loader::Loader(const Samples& samples, std::int64_t threads, Device& device)
    : samples_(samples), threads_(threads), device_(device) {
  if (device.backend() != Backend::cpu) sending_ = device.make_stream();
  const MakingThreads making;
  for (std::int64_t i = 0; i < threads_; ++i)
    workers_.emplace_back([this](std::stop_token stop) { work(std::move(stop)); });
}

Loader::~Loader() {
  for (std::jthread& worker : workers_) worker.request_stop();  // all at once; each then joins by itself
  if (sent_) received();  // waits for the copy on its way, which still uses its memory
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
  batch.valid = samples_.valid({first, first + count});
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
  s.batch = batch_of(samples, device_, sending_.get());
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
  std::int64_t bytes = 0;
  for (const auto& [place, p] : ready_) bytes += p.sample.bytes();
  return bytes;
}

Loader::Prepared Loader::take() {
  std::unique_lock lock(mutex_);
  const std::int64_t place = taken_++;
  const FileWork work = samples_.reading();
  if (workers_.empty()) return prepare(plan_.sample(place), {});
  changed_.notify_all();
  changed_.wait(lock, [&] { return ready_.contains(place); });
  return std::move(ready_.extract(place).mapped());
}

Loader::Prepared Loader::prepare(std::int64_t sample, const std::stop_token& stop) const {
  try {
    return {samples_.read(sample, stop), nullptr};
  } catch (...) {
    return {{}, std::current_exception()};
  }
}

void Loader::work(std::stop_token stop) {
  FileWork::leave_out_this_thread();  // whoever needs a sample tells that it waits
  std::unique_lock lock(mutex_);
  while (true) {
    // One batch ahead, another where it is sent ahead, and a sample for each thread, so that none idles at a batch's
    // end.
    const std::int64_t ahead = sending_ ? 2 : 1;
    auto room = [&] { return plan_.count > 0 && begun_ < given_ + ahead * plan_.count + threads_; };
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
