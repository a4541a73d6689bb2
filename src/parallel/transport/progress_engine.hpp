// Whoever waits for one call moves all calls in flight on this process: ranks may wait for their calls in different
// orders, and none would get on if each moved its own alone.
#pragma once
#include <functional>
#include <vector>

namespace lact {

double seconds_moving();  // that this thread has spent in polls that moved anything: copying, adding up

class ProgressEngine {
 public:
  struct Source {
    virtual ~Source() = default;
    virtual bool poll() = 0;  // does what can be done now; true if anything was
  };
  void add(Source& s) { sources_.push_back(&s); }
  void remove(Source& s) { std::erase(sources_, &s); }
  bool poll();
  // Spins, then gives the core to others: there may be more ranks than cores.
  void until(const std::function<bool()>& done);

 private:
  std::vector<Source*> sources_;
};

}  // namespace lact
