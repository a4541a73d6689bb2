#include "base/spans.hpp"

#include <utility>

#include "base/clock.hpp"

namespace lact {

Moment now_by(const Clock& clock) {
  if (clock) return clock();
  return [now = steady_seconds()] { return now; };
}

Spans::Spans(Clock clock, std::shared_ptr<Profiler> shown_to)
    : clock_(std::move(clock)), shown_to_(std::move(shown_to)) {}

std::unique_ptr<Spans> Spans::only_shown(std::shared_ptr<Profiler> to) {
  auto spans = std::make_unique<Spans>(Clock(), std::move(to));
  spans->kept_ = false;
  return spans;
}

void Spans::open(const std::string& name) {
  if (shown_to_) shown_to_->begin(name);
}

void Spans::close(Span s, const Moment& begin) {
  if (shown_to_) shown_to_->end();
  if (kept_) all_.push_back(std::move(s)), times_.push_back({begin, now()});
}

void Spans::add_beside(Span s, const Moment& begin) {
  s.beside = true;
  if (kept_) all_.push_back(std::move(s)), times_.push_back({begin, now()});
}

void Spans::turn(const std::string& kind, const std::string& name) {
  if (!turn_.name.empty()) close(std::exchange(turn_, {}), turned_);
  if (name.empty()) return;
  turn_ = {.kind = kind, .name = name};
  turned_ = now();
  open(name);
}

void Spans::settle() {
  const std::size_t settled = all_.size() - times_.size();
  for (std::size_t i = 0; i < times_.size(); ++i)
    all_[settled + i].begin = times_[i].begin(), all_[settled + i].end = times_[i].end();
  times_.clear();
}

Spanning::Spanning(Spans* to, const char* kind, const std::string& name, std::int64_t bytes) : to_(to) {
  if (to_ == nullptr) return;
  span_ = {.kind = kind, .name = name, .bytes = bytes};
  begin_ = to_->now();
  to_->open(name);
}

Spanning::~Spanning() {
  if (to_ != nullptr) to_->close(std::move(span_), begin_);
}

}  // namespace lact
