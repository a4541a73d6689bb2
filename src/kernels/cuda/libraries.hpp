// A vendor's library as each GPU of the process has it.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "tensor/device.hpp"

namespace lact::kernels::cuda {

// L of this GPU, made when it is first asked for. Devices outlive tensors but not the process; the libraries stay with
// it and are never destroyed, for when it ends, the driver and what they are made of may have gone before.
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
