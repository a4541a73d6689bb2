// Time as a device's work passes it, and the profiler that watches the device.
#pragma once
#include "base/spans.hpp"
#include "tensor/device.hpp"

namespace lact {

// By marks in the compute stream: the host does not wait, and what it is ahead of the device does not count. The host's
// clock on the CPU.
Clock clock_of(Device& d);

// NVTX ranges, where a profiler of GPUs started this program (NVTX_INJECTION64_PATH) or LACT_NVTX=1 asks for them; else
// null. One for each thread.
std::shared_ptr<Profiler> attached_profiler();

}  // namespace lact
