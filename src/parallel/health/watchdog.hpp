// Ends the job when a rank dies, stops, or stays away from a collective, with one line that names it. A thread per rank
// and plain TCP to rank 0: MPI hands over where that is, and from then on nothing here needs it or hangs with it.
#pragma once
#include <thread>

#include "parallel/health/blame.hpp"
#include "parallel/health/meeting.hpp"

namespace lact {

class Watchdog {
 public:
  struct Ending {
    std::function<void(const std::string& sentence)> say;     // on one rank
    std::function<void()> end;                                // on every rank
    std::function<void(const std::string& sentence)> remark;  // while all goes on
  };
  static Ending end_process();  // prints the sentence; ends with status 1, whatever other threads do

  // The activity outlives the watchdog.
  Watchdog(int rank, int ranks, Meeting meeting, const Activity& activity, Patience patience,
           Ending ending = end_process());
  // Takes leave; on the way out of an error the others are told that this rank says why itself.
  ~Watchdog();

 private:
  std::atomic<bool> failed_ = false;
  std::jthread thread_;
};

}  // namespace lact
