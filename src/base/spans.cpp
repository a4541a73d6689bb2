#include "base/spans.hpp"

#include <utility>

#include "base/clock.hpp"

namespace lact {

void Spans::turn(const std::string& kind, const std::string& name) {
  const double now = steady_seconds();
  if (!open_.name.empty()) {
    open_.end = now;
    add(std::exchange(open_, {}));
  }
  if (!name.empty()) open_ = {.kind = kind, .name = name, .begin = now};
}

Spanning::Spanning(Spans* to, const char* kind, const std::string& name) : to_(to) {
  if (to_ != nullptr) span_ = {.kind = kind, .name = name, .begin = steady_seconds()};
}

Spanning::~Spanning() {
  if (to_ == nullptr) return;
  span_.end = steady_seconds();
  to_->add(std::move(span_));
}

}  // namespace lact
