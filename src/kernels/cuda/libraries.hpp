// A vendor's library as each GPU of the process has it.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "tensor/device.hpp"

namespace lact::kernels::cuda {

// The library L for this GPU, made when it is first asked for. It is never destroyed: at the end of the process the
// driver may already be gone when destructors run.
template <class L>
L& library_of(Device& d) {
  static std::mutex mutex;
  static auto& all = *new std::map<std::pair<Device*, int>, std::unique_ptr<L>>;
  std::lock_guard lock(mutex);
  auto& mine = all[{&d, d.index()}];
  if (!mine) mine = std::make_unique<L>(d);
  return *mine;
}

}  // namespace lact::kernels::cuda
