// Where numbers live and in what order work happens there. A device is opened once and outlives every tensor on it;
// there is no "current device".
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace lact {

enum class Backend : std::uint8_t { cpu, cuda, paper };  // paper: shapes and costs only, see device_paper.hpp
const char* name_of(Backend b);

class Event {  // a point in a stream; cheap to copy; an empty one has already happened
 public:
  struct Point {
    virtual ~Point() = default;
    virtual bool happened() const = 0;
    virtual double seconds_since(const Point& earlier) const = 0;
    virtual void wait() const = 0;
  };
  Event() = default;
  explicit Event(std::shared_ptr<Point> point) : point_(std::move(point)) {}
  bool happened() const { return point_ == nullptr || point_->happened(); }
  void wait() const {  // the host waits
    if (point_ != nullptr) point_->wait();
  }
  // Of two timed marks of one device; waits for this one.
  double seconds_since(const Event& earlier) const { return point_->seconds_since(*earlier.point_); }
  Point* point() const { return point_.get(); }

 private:
  std::shared_ptr<Point> point_;
};

class Stream {  // on the CPU a stream is the calling thread, and wait() returns at once
 public:
  virtual ~Stream() = default;
  virtual Event mark() { return {}; }
  virtual Event mark_time();                        // a mark that also keeps the time at which it was passed
  virtual void wait(const Event&) {}                // what comes later in this stream waits; the host goes on
  virtual void finish() {}                          // the host waits for all that was asked of this stream
  virtual void* native() const { return nullptr; }  // cudaStream_t
};

struct Arrival {  // bytes on their way to the host
  std::shared_ptr<const std::byte> bytes;
  Event there;
  const std::byte* read() const { return there.wait(), bytes.get(); }  // the host waits for them
};

struct MemoryUse {
  std::size_t now = 0, peak = 0;  // bytes handed out, memory of Recorded work included; cached free blocks are not
};

class Recorded {  // a sequence of kernels, kept so that the device runs it again at one call (a CUDA graph)
 public:
  virtual ~Recorded() = default;
  virtual bool replay() = 0;  // false: it cannot run any more, because its memory was given to others
};

class KernelLedger;

class Device {
 public:
  virtual ~Device() = default;
  // Opens a device. A backend this program was built without, or an index that is not there, is an error.
  static std::unique_ptr<Device> open(Backend b, int index = 0);
  // Devices that open() would find: 1 for the CPU; 0 for cuda without a driver, a GPU, or CUDA in this program.
  static int present(Backend b);
  virtual Backend backend() const = 0;
  virtual std::string name() const = 0;
  virtual Stream& compute() = 0;
  // For work that runs beside the computing; events are all that orders it with the compute stream.
  virtual std::unique_ptr<Stream> make_stream() { return std::make_unique<Stream>(); }
  virtual int index() const { return 0; }
  // Whether one small matrix leaves most of the device idle, so that several are better given to it as a batch.
  virtual bool wide() const { return false; }
  virtual Device& host() = 0;  // the CPU beside it, where numbers are staged; the CPU itself is its own host
  // Pooled, 64-byte aligned, not cleared. Freed blocks return to the pool, which lives as long as the last block. On a
  // GPU a freed block may be handed out at once: what uses it next comes later in the compute stream.
  virtual std::shared_ptr<std::byte> allocate(std::size_t bytes) = 0;
  virtual MemoryUse memory() const = 0;
  virtual std::size_t capacity() const = 0;  // bytes of memory that it has in all; 0 on paper
  virtual void reset_peak() = 0;
  // Copies of bytes, in the order of the compute stream. copy_in returns as soon as the host's memory may be changed,
  // perhaps before the bytes have arrived; with `in` they travel in that stream's order. copy_out waits for the bytes.
  virtual void clear(std::byte* to, std::size_t bytes) = 0;
  virtual void copy(std::byte* to, const std::byte* from, std::size_t bytes) = 0;
  virtual void copy_in(std::byte* to, const void* host, std::size_t bytes, Stream* in = nullptr) = 0;
  virtual void copy_out(void* host, const std::byte* from, std::size_t bytes) = 0;
  virtual Arrival begin_copy_out(const std::byte* from, std::size_t bytes);  // the host waits when it reads
  // Runs `ask`, whose kernels take their memory from a pool of their own and give all of it back. Other calls of
  // apart() use the same pool; nothing else does, so that recorded work finds its memory untouched.
  virtual void apart(const std::function<void()>& ask) { ask(); }
  // Records the kernels that `ask` starts in the compute stream, without running them. `ask` has run by apart() before,
  // so that its memory is there; it needs no more than then and copies nothing from or to the host: else an error, and
  // nothing has happened. Null on a device that cannot record, and where the memory was given back meanwhile.
  virtual std::unique_ptr<Recorded> record(const std::function<void()>& ask);
  // Who is told of every kernel that is started here; null: nobody.
  void tell(KernelLedger* ledger) { ledger_ = ledger; }
  KernelLedger* ledger() const { return ledger_; }

 private:
  KernelLedger* ledger_ = nullptr;
};

// "cpu", "cuda", or "best": cuda where a GPU is present. Another name is an error.
Backend backend_named(const std::string& name);

std::unique_ptr<Device> open_cuda(int index);  // what open() calls; absent_cuda.cpp refuses
int cuda_devices();

// Worker threads of the CPU kernels of this process (OpenMP; oneDNN uses the same pool). 0 asks for the cores this
// process may use.
void set_threads(int threads);
int threads();

}  // namespace lact
