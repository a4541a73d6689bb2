// Where numbers live and in what order work happens there. A device is opened once and outlives every tensor on it;
// there is no "current device".
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace lact {

enum class Backend : std::uint8_t { cpu, cuda };

class Event {  // a point in a stream; cheap to copy; an empty one has already happened
 public:
  bool happened() const { return native_ == nullptr; }

 private:
  std::shared_ptr<void> native_;
};

class Stream {  // on the CPU a stream is the calling thread, and wait() returns at once
 public:
  Event mark() { return {}; }
  void wait(const Event&) {}
  void finish() {}
};

struct MemoryUse {
  std::size_t now = 0, peak = 0;  // bytes handed out; cached free blocks do not count
};

class Device {
 public:
  virtual ~Device() = default;
  // Opens a device. A backend this program was built without, or an index that is not there, is an error.
  static std::unique_ptr<Device> open(Backend b, int index = 0);
  virtual Backend backend() const = 0;
  virtual std::string name() const = 0;
  virtual Stream& compute() = 0;
  virtual Stream& comm() = 0;
  // Pooled, 64-byte aligned, not cleared. Freed blocks return to the pool, which lives as long as the last block.
  virtual std::shared_ptr<std::byte> allocate(std::size_t bytes) = 0;
  virtual MemoryUse memory() const = 0;
  virtual void reset_peak() = 0;
};

// Worker threads of the CPU kernels of this process (OpenMP; oneDNN uses the same pool). 0 asks for the cores this
// process may use.
void set_threads(int threads);
int threads();

}  // namespace lact
