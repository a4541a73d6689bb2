#include "parallel/transport/progress_engine.hpp"

#include <sched.h>

#include <chrono>
#include <thread>

#include "base/clock.hpp"

namespace lact {
namespace {
thread_local double moving = 0;
}

double seconds_moving() { return moving; }

bool ProgressEngine::poll() {
  const double begin = steady_seconds();
  bool moved = false;
  for (std::size_t i = 0; i < sources_.size(); ++i) moved = sources_[i]->poll() || moved;
  if (moved) moving += steady_seconds() - begin;
  return moved;
}

void ProgressEngine::until(const std::function<bool()>& done) {
  constexpr int spins = 100, yields = 20000;
  for (int idle = 0; !done();) {
    idle = poll() ? 0 : idle + 1;
    if (idle > yields)
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    else if (idle > spins)
      sched_yield();
  }
}

}  // namespace lact
