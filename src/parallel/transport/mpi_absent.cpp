// Linked instead of mpi.cpp where there is no MPI: a world of one rank.
#include "base/check.hpp"
#include "parallel/launch/launcher.hpp"
#include "parallel/world.hpp"

namespace lact {
namespace {
WorldInfo& info() {
  static WorldInfo one;
  return one;
}
}  // namespace

std::unique_ptr<Communicator> open_world(Patience) {
  check(!started_as_a_rank(), "{}, but this program was built without MPI and cannot be one of several ranks",
        how_started(launch_of()));
  info().places = {place_of_this_process()};
  info().host = info().places.front().host.data();
  return self_communicator("world");
}

const WorldInfo& world_info() { return info(); }
void abort_world(int) {}

std::unique_ptr<Communicator> with_transport(Communicator& c, Transport, const std::string& label) {
  return c.split(0, c.rank(), label);
}

}  // namespace lact
