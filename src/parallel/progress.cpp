#include "parallel/progress.hpp"

#include <sched.h>

#include <chrono>
#include <thread>

namespace lact {

bool Progress::poll() {
  bool moved = false;
  for (std::size_t i = 0; i < sources_.size(); ++i) moved = sources_[i]->poll() || moved;
  return moved;
}

void Progress::until(const std::function<bool()>& done) {
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
