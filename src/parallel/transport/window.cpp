#include "parallel/transport/window.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "parallel/transport/reduction.hpp"

namespace lact {
namespace {

constexpr auto posted = &Window::Counters::posted;
constexpr auto reduced = &Window::Counters::reduced;
constexpr auto taken = &Window::Counters::taken;

void lay(std::byte* to, const std::byte* from, std::int64_t bytes) {
  if (bytes > 0 && to != from) std::memcpy(to, from, std::size_t(bytes));
}

}  // namespace

struct Window::Job {
  Collective call;
  std::int64_t unit = 0, step = 0;          // bytes of a number; numbers of one rank's part in one piece
  std::vector<std::int64_t> in_at, out_at;  // where the part for, or of, each rank begins in the flat tensors
  std::uint64_t first = 0, last = 0;        // pieces [first, last)

  bool done(std::uint64_t pieces_taken) const { return pieces_taken >= last; }
  Range part(std::int64_t count, std::uint64_t piece) const {  // of `count` numbers, those of this piece
    const std::int64_t begin = std::min(count, std::int64_t(piece - first) * step);
    return {begin, std::min(count, begin + step)};
  }
  std::byte* in(std::int64_t at) const { return call.in.raw() + at * unit; }
  std::byte* out(std::int64_t at) const { return call.out.raw() + at * unit; }
  std::int64_t count(std::size_t rank) const { return call.counts[rank]; }
};

class Window::Waiting final : public Work::State {
 public:
  Waiting(Window& window, std::uint64_t last) : window_(window), last_(last) {}
  void wait() override {
    window_.progress_.until([this] { return window_.taken_ >= last_; });
  }

 private:
  Window& window_;
  std::uint64_t last_;
};

Window::Window(ProgressEngine& progress, int rank, std::vector<std::byte*> arenas, std::uint64_t first)
    : progress_(progress),
      me_(std::size_t(rank)),
      arenas_(std::move(arenas)),
      begun_(first),
      posted_(first),
      reduced_(first),
      taken_(first) {
  Counters& mine = counters(arenas_[me_]);
  mine.posted.store(first, std::memory_order_release);
  mine.reduced.store(first, std::memory_order_release);
  mine.taken.store(first, std::memory_order_release);
  progress_.add(*this);
}

std::shared_ptr<Work::State> Window::begin(Collective call) {
  const std::size_t n = arenas_.size();
  auto job = std::make_shared<Job>();
  job->unit = size_of(call.out.dtype());
  const bool parts_for_each = call.op == Op::reduce_scatter || call.op == Op::all_to_all;
  job->step = std::int64_t(slot_bytes / (parts_for_each ? n : 1)) / job->unit;
  const auto total = std::accumulate(call.counts.begin(), call.counts.end(), std::int64_t(0));
  const bool whole = call.op == Op::all_reduce || call.op == Op::reduce_to || call.op == Op::broadcast;
  const std::int64_t longest = whole ? total : *std::ranges::max_element(call.counts);
  if (!whole) {
    const bool to_all = call.op == Op::all_to_all;
    std::int64_t in_at = 0, out_at = 0;
    for (std::size_t p = 0; p < n; ++p) {
      job->in_at.push_back(in_at), job->out_at.push_back(out_at);
      in_at += call.counts[to_all ? me_ * n + p : p];
      out_at += call.counts[to_all ? p * n + me_ : p];
    }
  }
  job->call = std::move(call);
  job->first = begun_;
  begun_ += std::uint64_t((longest + job->step - 1) / job->step);
  job->last = begun_;
  jobs_.push_back(job);
  progress_.poll();
  return std::make_shared<Waiting>(*this, job->last);
}

Window::Job& Window::job_of(std::uint64_t piece) const {
  return **std::ranges::find_if(jobs_, [&](const auto& j) { return piece < j->last; });
}

std::byte* Window::slot(std::size_t rank, std::uint64_t piece) const {
  return arenas_[rank] + control_bytes + (piece % slots) * slot_bytes;
}

bool Window::all_reached(std::atomic<std::uint64_t> Counters::*counter, std::uint64_t count) const {
  return std::ranges::all_of(
      arenas_, [&](std::byte* a) { return (counters(a).*counter).load(std::memory_order_acquire) >= count; });
}

bool Window::poll() {
  bool moved = false;
  Counters& mine = counters(arenas_[me_]);
  // A slot is free when everybody took what was in it four pieces ago.
  while (posted_ < begun_ && (posted_ < taken_ + slots) &&
         (posted_ < slots || all_reached(taken, posted_ - slots + 1))) {
    post(job_of(posted_), posted_);
    mine.posted.store(++posted_, std::memory_order_release);
    moved = true;
  }
  while (reduced_ < posted_ && all_reached(posted, reduced_ + 1)) {
    const Job& job = job_of(reduced_);
    if (job.call.op == Op::all_reduce) reduce_slice(job, reduced_);
    mine.reduced.store(++reduced_, std::memory_order_release);
    moved = true;
  }
  while (taken_ < reduced_) {
    const Job& job = job_of(taken_);
    if (job.call.op == Op::all_reduce && !all_reached(reduced, taken_ + 1)) break;
    take(job, taken_);
    mine.taken.store(++taken_, std::memory_order_release);
    moved = true;
    if (job.done(taken_)) jobs_.pop_front();
  }
  return moved;
}

// Into my slot: what others need of my numbers.
void Window::post(const Job& job, std::uint64_t piece) const {
  const Collective& c = job.call;
  const std::size_t n = arenas_.size();
  std::byte* to = slot(me_, piece);
  switch (c.op) {
    case Op::all_reduce: {  // all but my own slice, which only I add up
      const Range r = job.part(c.in.count(), piece), own = even_part(r.size(), int(me_), int(n));
      lay(to, job.in(r.begin), own.begin * job.unit);
      lay(to + own.end * job.unit, job.in(r.begin + own.end), (r.size() - own.end) * job.unit);
      break;
    }
    case Op::all_gather: {
      const Range r = job.part(job.count(me_), piece);
      lay(to, job.in(r.begin), r.size() * job.unit);
      break;
    }
    case Op::reduce_to:
    case Op::broadcast: {
      const Range r = job.part(c.in.count(), piece);
      const bool owner = int(me_) == c.owner;
      if (owner == (c.op == Op::broadcast)) lay(to, job.in(r.begin), r.size() * job.unit);
      break;
    }
    default: {  // reduce_scatter, all_to_all: a part for each
      for (std::size_t p = 0; p < n; ++p) {
        if (p == me_) continue;
        const Range r = job.part(c.op == Op::all_to_all ? job.count(me_ * n + p) : job.count(p), piece);
        lay(to + std::int64_t(p) * job.step * job.unit, job.in(job.in_at[p] + r.begin), r.size() * job.unit);
      }
    }
  }
}

// `to` = the sum over ranks of what stands `at` bytes into their slots; mine stands in `own`.
void Window::add_up(const Job& job, std::uint64_t piece, std::byte* to, const std::byte* own, std::size_t at,
                    std::int64_t count) const {
  std::vector<const std::byte*> parts;
  for (std::size_t p = 0; p < arenas_.size(); ++p) parts.push_back(p == me_ ? own : slot(p, piece) + at);
  reduce_ranks(to, parts, count, job.call.out.dtype(), job.call.reduce);
}

void Window::reduce_slice(const Job& job, std::uint64_t piece) const {
  const Range r = job.part(job.call.in.count(), piece), own = even_part(r.size(), int(me_), int(arenas_.size()));
  std::byte* numbers = job.out(r.begin + own.begin);
  const auto at = std::size_t(own.begin * job.unit);
  add_up(job, piece, numbers, numbers, at, own.size());
  lay(slot(me_, piece) + at, numbers, own.size() * job.unit);
}

// From the slots of others: what I need.
void Window::take(const Job& job, std::uint64_t piece) const {
  const Collective& c = job.call;
  const std::size_t n = arenas_.size();
  switch (c.op) {
    case Op::all_reduce: {
      const Range r = job.part(c.in.count(), piece);
      for (std::size_t p = 0; p < n; ++p) {
        if (p == me_) continue;
        const Range s = even_part(r.size(), int(p), int(n));
        lay(job.out(r.begin + s.begin), slot(p, piece) + s.begin * job.unit, s.size() * job.unit);
      }
      break;
    }
    case Op::all_gather:
      for (std::size_t p = 0; p < n; ++p) {
        const Range r = job.part(job.count(p), piece);
        lay(job.out(job.out_at[p] + r.begin), p == me_ ? job.in(r.begin) : slot(p, piece), r.size() * job.unit);
      }
      break;
    case Op::broadcast: {
      const Range r = job.part(c.in.count(), piece);
      if (int(me_) != c.owner) lay(job.out(r.begin), slot(std::size_t(c.owner), piece), r.size() * job.unit);
      break;
    }
    case Op::all_to_all:
      for (std::size_t p = 0; p < n; ++p) {
        const Range r = job.part(job.count(p * n + me_), piece);
        const std::byte* from = slot(p, piece) + std::int64_t(me_) * job.step * job.unit;
        lay(job.out(job.out_at[p] + r.begin), p == me_ ? job.in(job.in_at[me_] + r.begin) : from, r.size() * job.unit);
      }
      break;
    default:
      take_reduced(job, piece);
  }
}

void Window::take_reduced(const Job& job, std::uint64_t piece) const {
  const Collective& c = job.call;
  if (c.op == Op::reduce_scatter) {
    const Range r = job.part(job.count(me_), piece);
    add_up(job, piece, job.out(r.begin), job.in(job.in_at[me_] + r.begin),
           std::size_t(std::int64_t(me_) * job.step * job.unit), r.size());
  } else if (int(me_) == c.owner) {
    const Range r = job.part(c.in.count(), piece);
    add_up(job, piece, job.out(r.begin), job.in(r.begin), 0, r.size());
  }
}

}  // namespace lact
