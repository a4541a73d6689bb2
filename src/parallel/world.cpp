#include "parallel/world.hpp"

#include <algorithm>
#include <thread>

namespace lact {

std::unique_ptr<Device> device_of_rank(Backend b) {
  return Device::open(b, world_info().local_rank % std::max(1, Device::present(b)));
}

void share_threads(int asked, int ranks) {
  set_threads(asked);
  if (asked == 0 && threads() == int(std::thread::hardware_concurrency())) set_threads(std::max(1, threads() / ranks));
}

}  // namespace lact
