#include "base/clock.hpp"

#include <chrono>
#include <ctime>

namespace lact {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double processor_seconds() { return double(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace lact
