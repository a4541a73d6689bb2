#include "parallel/world.hpp"

#include <algorithm>
#include <cmath>

#include "base/cores.hpp"

namespace lact {

std::unique_ptr<Device> device_of_rank(Backend b) {
  const MakingThreads making;  // the driver's
  return Device::open(b, world_info().local_rank % std::max(1, Device::present(b)));
}

void share_threads(int asked, int ranks) {
  set_threads(asked);
  if (asked != 0) return;
  int share = all_are_usable() ? threads() / ranks : threads();
  if (const double granted = granted_threads(); granted > 0) share = std::min(share, int(std::ceil(granted / ranks)));
  set_threads(std::max(1, share));
}

}  // namespace lact
