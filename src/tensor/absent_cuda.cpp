// Linked instead of device_cuda.cpp and nvtx_cuda.cpp where there is no CUDA.
#include "base/check.hpp"
#include "tensor/device_clock.hpp"

namespace lact {

std::unique_ptr<Device> open_cuda(int) { fail("this program was built without CUDA; set compute.device=cpu"); }
int cuda_devices() { return 0; }
std::shared_ptr<Profiler> attached_profiler() { return nullptr; }

}  // namespace lact
