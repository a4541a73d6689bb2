#include <omp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/cores.hpp"
#include "tensor/out_of_memory.hpp"
#include "tensor/pool.hpp"

namespace lact {
namespace {

std::byte* aligned_block(std::size_t size) {
  constexpr std::size_t huge = 2u << 20;
  auto* p = static_cast<std::byte*>(std::aligned_alloc(size >= huge ? huge : 64, size));
  if (p != nullptr && size >= huge) madvise(p, size, MADV_HUGEPAGE);
  return p;
}

struct ClockPoint final : Event::Point {
  bool happened() const override { return true; }
  void wait() const override {}
  double seconds_since(const Point& earlier) const override { return at - dynamic_cast<const ClockPoint&>(earlier).at; }
  double at = steady_seconds();
};

class CpuDevice final : public Device {
 public:
  Backend backend() const override { return Backend::cpu; }
  std::string name() const override { return "cpu"; }
  Stream& compute() override { return compute_; }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    std::size_t size = Pool::size_class(bytes);
    std::byte* block = pool_->take(size);
    if (block == nullptr)
      throw OutOfMemory(
          sentence("out of memory: {} MB asked while {} MB are in use", size >> 20, pool_->use().now >> 20),
          "device_cpu.cpp", capacity());
    return {block, [pool = pool_, size](std::byte* p) { pool->give(p, size); }};
  }
  MemoryUse memory() const override { return pool_->use(); }
  std::size_t capacity() const override {
    return std::size_t(sysconf(_SC_PHYS_PAGES)) * std::size_t(sysconf(_SC_PAGESIZE));
  }
  void reset_peak() override { pool_->reset_peak(); }
  Device& host() override { return *this; }
  void clear(std::byte* to, std::size_t bytes) override { std::memset(to, 0, bytes); }
  void copy(std::byte* to, const std::byte* from, std::size_t bytes) override { std::memcpy(to, from, bytes); }
  void copy_in(std::byte* to, const void* host, std::size_t bytes, Stream*) override { std::memcpy(to, host, bytes); }
  void copy_out(void* host, const std::byte* from, std::size_t bytes) override { std::memcpy(host, from, bytes); }

 private:
  std::shared_ptr<Pool> pool_ = std::make_shared<Pool>(aligned_block, [](std::byte* p) { std::free(p); });
  Stream compute_;
};

}  // namespace

Event Stream::mark_time() { return Event(std::make_shared<ClockPoint>()); }

std::unique_ptr<Device> Device::open(Backend b, int index) {
  if (b == Backend::cuda) return open_cuda(index);
  check(b == Backend::cpu, "{} is no device that can be opened", name_of(b));
  return std::make_unique<CpuDevice>();
}

Arrival Device::begin_copy_out(const std::byte* from, std::size_t bytes) {
  auto here = host().allocate(bytes);
  copy_out(here.get(), from, bytes);
  return {std::move(here), {}};
}

std::unique_ptr<Recorded> Device::record(const std::function<void()>&) { return nullptr; }

int Device::present(Backend b) { return b == Backend::cpu ? 1 : cuda_devices(); }

Backend backend_named(const std::string& name) {
  if (name == "best") return Device::present(Backend::cuda) > 0 ? Backend::cuda : Backend::cpu;
  check(name == "cpu" || name == "cuda", "compute.device={}: cpu, cuda and best are known", name);
  return name == "cpu" ? Backend::cpu : Backend::cuda;
}

const char* name_of(Backend b) {
  constexpr const char* names[]{"cpu", "cuda", "paper"};
  return names[std::size_t(b)];
}

void set_threads(int n) {
  omp_set_num_threads(n > 0 ? n : int(usable_threads().size()));
  bind_as_openmp_was_asked();
}
int threads() { return omp_get_max_threads(); }

}  // namespace lact
