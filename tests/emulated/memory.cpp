// Memory of the emulated GPU, and pinned memory of its host.
#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>

namespace emulated {
extern std::atomic<std::uint64_t> allocations;
}

namespace {
std::mutex pins;                            // guards what follows
std::map<const char*, std::size_t> pinned;  // bytes, by where they begin
std::map<const void*, std::size_t> fetched;
std::size_t fetched_bytes = 0;
std::size_t most_bytes = [] {  // EMULATED_MEMORY_MB in the environment, else more than any host has
  const char* asked = std::getenv("EMULATED_MEMORY_MB");
  return std::size_t(asked != nullptr ? std::atoll(asked) : 1 << 30) << 20;
}();
}  // namespace

bool emulated::is_pinned(const void* p) {
  std::lock_guard lock(pins);
  auto after = pinned.upper_bound(static_cast<const char*>(p));
  if (after == pinned.begin()) return false;
  const auto& [begin, bytes] = *std::prev(after);
  return static_cast<const char*>(p) < begin + bytes;
}

std::size_t emulated::fetched_memory() {
  std::lock_guard lock(pins);
  return fetched_bytes;
}

void emulated::limit_memory(std::size_t bytes) {
  std::lock_guard lock(pins);
  most_bytes = bytes > std::size_t(1) << 60 ? bytes : bytes + bytes / 63 + 1;
}

cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  if (emulated::forbidden()) return cudaErrorStreamCaptureUnsupported;
  ++emulated::allocations;
  *p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::lock_guard lock(pins);
  pinned[static_cast<const char*>(*p)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* p) {
  if (emulated::forbidden()) return cudaErrorStreamCaptureUnsupported;
  std::lock_guard lock(pins);
  pinned.erase(static_cast<const char*>(p));
  return std::free(p), cudaSuccess;
}
cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  if (emulated::forbidden()) return cudaErrorStreamCaptureUnsupported;
  ++emulated::allocations;
  std::lock_guard lock(pins);
  const bool fits = fetched_bytes + bytes <= most_bytes;
  *p = fits ? std::aligned_alloc(256, (bytes + 255) / 256 * 256) : nullptr;
  if (*p == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*p, 0x7f, bytes);
  fetched_bytes += fetched[*p] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* p) {
  if (emulated::forbidden()) return cudaErrorStreamCaptureUnsupported;
  std::lock_guard lock(pins);
  fetched_bytes -= fetched[p];
  fetched.erase(p);
  return std::free(p), cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* left, std::size_t* all) {
  std::lock_guard lock(pins);
  *all = most_bytes, *left = most_bytes - std::min(most_bytes, fetched_bytes);
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  std::strcpy(p->name, "GPU emulated on the CPU");
  std::lock_guard lock(pins);
  p->totalGlobalMem = most_bytes;
  return cudaSuccess;
}
