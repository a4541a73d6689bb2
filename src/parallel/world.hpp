// All ranks of this job, and where they run.
#pragma once
#include <memory>
#include <string>

#include "parallel/communicator.hpp"
#include "parallel/health/blame.hpp"
#include "parallel/launch/hosts.hpp"

namespace lact {

struct WorldInfo {
  std::string host;
  int rank = 0, ranks = 1;
  int local_rank = 0, local_ranks = 1;  // on this host
  int hosts = 1;
  std::vector<Place> places;                            // of all ranks
  std::string library = "none", thread_level = "none";  // of MPI
  Activity* activity = nullptr;  // of all communicators of this process; null where there is one rank
};

// MPI if a launcher started this process as one of several ranks, else one rank; a program started by hand never
// touches MPI. Once per process; MPI ends with the last of the communicators made of it. A watchdog ends the job when a
// rank dies, stops, or makes others wait in a collective for longer than it may.
std::unique_ptr<Communicator> open_world(Patience patience = {});
const WorldInfo& world_info();  // after open_world()

// The GPUs of a host go to its ranks in turn; where there are fewer, ranks share them.
std::unique_ptr<Device> device_of_rank(Backend b);
// Sets the threads of this rank's CPU kernels, on a host with so many ranks. 0 asks for the cores that this process is
// bound to, or where it is not bound, for its share of all; and never for more than its share of what control groups
// grant.
void share_threads(int asked, int ranks);

// Ends all ranks with this exit status, after one of them failed and said why. Returns where there is one rank only.
void abort_world(int status);

// How the ranks of a communicator talk: `best` shares a window of memory where all of them are on one host.
enum class Transport : std::uint8_t { best, messages };
std::unique_ptr<Communicator> with_transport(Communicator& c, Transport t, const std::string& label);

}  // namespace lact
