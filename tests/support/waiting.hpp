// Time in tests: nothing is asserted about how long something takes, only that it happens.
#pragma once
#include <chrono>
#include <thread>

namespace lact {

inline void pause_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }
inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
// True as soon as `holds()` is; false after `seconds`.
template <class Condition>
bool comes_true(Condition&& holds, double seconds = 60) {
  for (const double until = seconds_now() + seconds; !holds(); pause_for(0.001))
    if (seconds_now() > until) return false;
  return true;
}

}  // namespace lact
