#include <omp.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "base/check.hpp"
#include "tensor/device.hpp"

namespace lact {
namespace {

// Free blocks by size class. A class is a power of two or one of the three steps between two of them, so at most a
// quarter is wasted.
class Pool {
 public:
  ~Pool() {
    for (auto& [size, blocks] : free_)
      for (std::byte* p : blocks) std::free(p);
  }
  std::byte* take(std::size_t size) {
    std::lock_guard lock(mutex_);
    use_.now += size;
    use_.peak = std::max(use_.peak, use_.now);
    auto& blocks = free_[size];
    if (!blocks.empty()) {
      std::byte* p = blocks.back();
      blocks.pop_back();
      return p;
    }
    constexpr std::size_t huge = 2u << 20;
    auto* p = static_cast<std::byte*>(std::aligned_alloc(size >= huge ? huge : 64, size));
    if (p == nullptr) {
      use_.now -= size;
      fail("out of memory: {} MB asked while {} MB are in use", size >> 20, use_.now >> 20);
    }
    if (size >= huge) madvise(p, size, MADV_HUGEPAGE);
    return p;
  }
  void give(std::byte* p, std::size_t size) {
    std::lock_guard lock(mutex_);
    use_.now -= size;
    free_[size].push_back(p);
  }
  MemoryUse use() const {
    std::lock_guard lock(mutex_);
    return use_;
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    use_.peak = use_.now;
  }
  static std::size_t size_class(std::size_t bytes) {
    constexpr std::size_t huge = 2u << 20;
    if (bytes <= 256) return 256;
    std::size_t step = std::bit_floor(bytes - 1) / 4;
    std::size_t size = (bytes + step - 1) / step * step;
    return size < huge ? size : (size + huge - 1) / huge * huge;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<std::byte*>> free_;
  MemoryUse use_;
};

class CpuDevice final : public Device {
 public:
  Backend backend() const override { return Backend::cpu; }
  std::string name() const override { return "cpu"; }
  Stream& compute() override { return compute_; }
  Stream& comm() override { return comm_; }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    std::size_t size = Pool::size_class(bytes);
    return {pool_->take(size), [pool = pool_, size](std::byte* p) { pool->give(p, size); }};
  }
  MemoryUse memory() const override { return pool_->use(); }
  void reset_peak() override { pool_->reset_peak(); }

 private:
  std::shared_ptr<Pool> pool_ = std::make_shared<Pool>();
  Stream compute_, comm_;
};

}  // namespace

std::unique_ptr<Device> Device::open(Backend b, int) {
  check(b == Backend::cpu, "this program was built without CUDA; set compute.device=cpu");
  return std::make_unique<CpuDevice>();
}

void set_threads(int n) {
  if (n <= 0) {
    cpu_set_t mask;
    n = sched_getaffinity(0, sizeof(mask), &mask) == 0 ? CPU_COUNT(&mask) : 1;
  }
  omp_set_num_threads(n);
}
int threads() { return omp_get_max_threads(); }

}  // namespace lact
