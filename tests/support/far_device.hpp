// A device that says it is a GPU and lives in host memory.
#pragma once
#include "tensor/device.hpp"

namespace lact {

class FarDevice final : public Device {
 public:
  Backend backend() const override { return Backend::cuda; }
  std::string name() const override { return "far"; }
  Stream& compute() override { return cpu_->compute(); }
  Device& host() override { return *cpu_; }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override { return cpu_->allocate(bytes); }
  MemoryUse memory() const override { return cpu_->memory(); }
  std::size_t capacity() const override { return cpu_->capacity(); }
  void reset_peak() override {}
  void clear(std::byte* to, std::size_t bytes) override { cpu_->clear(to, bytes); }
  void copy(std::byte* to, const std::byte* from, std::size_t bytes) override { cpu_->copy(to, from, bytes); }
  void copy_in(std::byte* to, const void* from, std::size_t bytes, Stream*) override { cpu_->copy_in(to, from, bytes); }
  void copy_out(void* to, const std::byte* from, std::size_t bytes) override { cpu_->copy_out(to, from, bytes); }

 private:
  std::unique_ptr<Device> cpu_ = Device::open(Backend::cpu);
};

}  // namespace lact
