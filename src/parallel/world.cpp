#include "parallel/world.hpp"

#include <algorithm>

namespace lact {

std::unique_ptr<Device> device_of_rank(Backend b) {
  return Device::open(b, world_info().local_rank % std::max(1, Device::present(b)));
}

}  // namespace lact
