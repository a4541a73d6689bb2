#include "base/slow.hpp"

#include "base/clock.hpp"
#include "base/log.hpp"

namespace lact {

Slow::Slow(std::string what) : what_(std::move(what)), begin_(steady_seconds()) {}

Slow::~Slow() {
  if (said_) log::end_line();
}

double Slow::seconds() const { return steady_seconds() - begin_; }

void Slow::at(std::int64_t done, std::int64_t all) {
  if (seconds() < next_) return;
  log::progress(fill("{}: {} of {}", {what_, done, all}));
  next_ = seconds() + 2;
  said_ = true;
}

}  // namespace lact
