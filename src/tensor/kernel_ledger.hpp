// What kernels do on a device, kernel by kernel: calls, operations, bytes, seconds.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "tensor/device.hpp"

namespace lact {

// Told of every kernel by the functions that start it.
class KernelLedger {
 public:
  enum class Work : std::uint8_t { product, bf16_product, attention, elements };  // what a kernel's operations are
  struct Row {
    std::int64_t calls = 0;
    double operations = 0, bytes = 0, seconds = 0;
    Work work = Work::elements;
  };
  virtual ~KernelLedger() = default;
  // A kernel is about to start. Where other kernels are charged before asked() ends it, it runs as those others, and
  // they count instead of it. operations: floating-point operations of products and attention, 0 of others; bytes: its
  // tensors, each once.
  virtual void charge(Work work, const std::string& kernel, double operations, double bytes) = 0;
  virtual void asked() {}  // the kernel that was charged last, and not yet ended, has been given to the device
};

// The rows, those that take longest first.
std::vector<std::pair<std::string, KernelLedger::Row>> by_seconds(const std::map<std::string, KernelLedger::Row>& rows);

// Times the kernels of a device by marks in its compute stream, while it lives. On a GPU a short kernel counts the time
// until the host has asked for it.
class MeasuredKernels final : public KernelLedger {
 public:
  explicit MeasuredKernels(Device& d) : device_(d) { device_.tell(this); }
  ~MeasuredKernels() override { device_.tell(nullptr); }
  MeasuredKernels(const MeasuredKernels&) = delete;
  MeasuredKernels& operator=(const MeasuredKernels&) = delete;
  void charge(Work work, const std::string& kernel, double operations, double bytes) override;
  void asked() override;
  std::map<std::string, Row> rows();  // by kernel; waits for the device

 private:
  struct Running {
    Row* row;
    double operations, bytes;
    Event begin, end;
  };
  Device& device_;
  std::map<std::string, Row> rows_;
  std::vector<Running> running_;
  // Kernels that were charged and not yet ended, innermost last, by their place in running_; -1: it runs as others.
  std::vector<std::ptrdiff_t> open_;
};

}  // namespace lact
