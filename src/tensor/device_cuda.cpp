// A GPU through the CUDA runtime.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>

#include "base/check.hpp"
#include "tensor/out_of_memory.hpp"
#include "tensor/pool.hpp"

namespace lact {
namespace {

void worked(cudaError_t status, const char* what) {
  check(status == cudaSuccess, "cuda: {} failed: {}", what, cudaGetErrorString(status));
}

struct CudaPoint final : Event::Point {
  explicit CudaPoint(bool timed) {  // a host that waits for it gives its core away
    const unsigned flags = cudaEventBlockingSync | (timed ? cudaEventDefault : cudaEventDisableTiming);
    worked(cudaEventCreateWithFlags(&event, flags), "making an event");
  }
  ~CudaPoint() override { cudaEventDestroy(event); }
  CudaPoint(const CudaPoint&) = delete;
  CudaPoint& operator=(const CudaPoint&) = delete;
  bool happened() const override {
    cudaError_t status = cudaEventQuery(event);
    if (status == cudaErrorNotReady) return false;
    worked(status, "the work before an event");
    return true;
  }
  void wait() const override { worked(cudaEventSynchronize(event), "the work before an event"); }
  double seconds_since(const Point& earlier) const override {
    float milliseconds = 0;
    wait();
    worked(cudaEventElapsedTime(&milliseconds, dynamic_cast<const CudaPoint&>(earlier).event, event),
           "asking for the time between events");
    return double(milliseconds) / 1e3;
  }
  cudaEvent_t event{};
};

class CudaStream final : public Stream {
 public:
  CudaStream() { worked(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream"); }
  ~CudaStream() override { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  Event mark() override { return recorded(false); }
  Event mark_time() override { return recorded(true); }
  void wait(const Event& e) override {
    if (auto* point = dynamic_cast<CudaPoint*>(e.point()))
      worked(cudaStreamWaitEvent(stream_, point->event), "waiting for an event");
  }
  void finish() override { worked(cudaStreamSynchronize(stream_), "the work of a stream"); }
  void* native() const override { return stream_; }

 private:
  Event recorded(bool timed) {
    auto point = std::make_shared<CudaPoint>(timed);
    worked(cudaEventRecord(point->event, stream_), "recording an event");
    return Event(point);
  }
  cudaStream_t stream_{};
};

// Leaves some memory to the libraries, to code that is loaded when it is first used, and to graphs.
std::byte* device_block(std::size_t size) {
  std::size_t left = 0, all = 0;
  cudaMemGetInfo(&left, &all);
  if (left < size + std::min(all / 64, std::size_t(512) << 20)) return nullptr;
  void* p = nullptr;
  if (cudaMalloc(&p, size) == cudaSuccess) return static_cast<std::byte*>(p);
  cudaGetLastError();  // it is answered by the caller
  return nullptr;
}

std::byte* pinned_block(std::size_t size) {
  void* p = nullptr;
  if (cudaHostAlloc(&p, size, cudaHostAllocDefault) == cudaSuccess) return static_cast<std::byte*>(p);
  cudaGetLastError();  // it is answered by the caller
  return nullptr;
}

// Pinned memory of the host for copies that it does not wait for. A block is used again when its copy has passed.
class Staging {
 public:
  ~Staging() {  // freeing waits for the GPU
    for (const Lent& l : lent_) pool_.give(l.block, l.size);
  }
  std::byte* take(std::size_t size) {  // null where there is no memory left
    std::lock_guard lock(mutex_);
    reclaim();
    while (!lent_.empty() && pool_.use().now + size > most) {
      lent_.front().passed.wait();
      reclaim();
    }
    return pool_.use().now + size > most ? nullptr : pool_.take(size);
  }
  void lend(std::byte* block, std::size_t size, Event passed) {
    std::lock_guard lock(mutex_);
    lent_.push_back({block, size, std::move(passed)});
  }

 private:
  static constexpr std::size_t most = std::size_t(1) << 30;  // a batch of a million tokens
  struct Lent {
    std::byte* block;
    std::size_t size;
    Event passed;
  };
  void reclaim() {
    std::erase_if(lent_, [this](const Lent& l) {
      if (!l.passed.happened()) return false;
      pool_.give(l.block, l.size);
      return true;
    });
  }
  std::mutex mutex_;
  std::vector<Lent> lent_;  // oldest first
  Pool pool_{pinned_block, [](std::byte* p) { cudaFreeHost(p); }};
};

class CudaGraph final : public Recorded {
 public:
  CudaGraph(cudaGraphExec_t graph, cudaStream_t stream, std::shared_ptr<Pool> pool)
      : graph_(graph), stream_(stream), pool_(std::move(pool)), held_(pool_->hold()) {}
  ~CudaGraph() override {
    cudaGraphExecDestroy(graph_);
    pool_->let_go(held_);
  }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  bool replay() override {
    if (!pool_->holds(held_)) return false;
    if (cudaGraphLaunch(graph_, stream_) == cudaSuccess) return true;
    cudaGetLastError();  // the caller then starts the kernels one by one, and sees whether more is wrong
    return false;
  }

 private:
  cudaGraphExec_t graph_;
  cudaStream_t stream_;
  std::shared_ptr<Pool> pool_;
  int held_;
};

class Captured {  // records what is asked of a stream while this lives; relaxed mode leaves other streams alone
 public:
  explicit Captured(cudaStream_t stream) : stream_(stream) {
    worked(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "beginning a graph");
  }
  ~Captured() {
    if (capturing_) cudaStreamEndCapture(stream_, &graph_);
    if (graph_ != nullptr) cudaGraphDestroy(graph_);
    cudaGetLastError();  // an error that follows from the one that is being thrown
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  cudaGraphExec_t instance() {
    capturing_ = false;
    worked(cudaStreamEndCapture(stream_, &graph_), "ending a graph");
    cudaGraphExec_t instance{};
    worked(cudaGraphInstantiate(&instance, graph_, 0), "making a graph ready");
    if (const cudaError_t status = cudaGraphUpload(instance, stream_); status != cudaSuccess) {
      cudaGraphExecDestroy(instance);
      worked(status, "bringing a graph to the GPU");
    }
    return instance;
  }

 private:
  cudaStream_t stream_;
  cudaGraph_t graph_{};
  bool capturing_ = true;
};

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int index) : index_(index), host_(Device::open(Backend::cpu)) {
    cudaDeviceProp about{};
    worked(cudaGetDeviceProperties(&about, index), "asking for the GPU's name");
    name_ = about.name, capacity_ = about.totalGlobalMem;
  }
  Backend backend() const override { return Backend::cuda; }
  std::string name() const override { return name_; }
  int index() const override { return index_; }
  bool wide() const override { return true; }
  Device& host() override { return *host_; }
  Stream& compute() override { return compute_; }
  std::unique_ptr<Stream> make_stream() override { return std::make_unique<CudaStream>(); }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    std::size_t size = Pool::size_class(bytes);
    const Pool::Place place = place_;
    std::byte* block = pool_->take(size, place);
    check(block != nullptr || !recording_, "work to be recorded asks for {} bytes that it did not need before", size);
    if (block == nullptr && pool_->let_go_of_all()) block = pool_->take(size, place);
    if (block == nullptr) out_of_memory(size);
    return {block, [pool = pool_, size, place](std::byte* p) { pool->give(p, size, place); }};
  }
  MemoryUse memory() const override { return pool_->use(); }
  std::size_t capacity() const override { return capacity_; }
  void reset_peak() override { pool_->reset_peak(); }
  void clear(std::byte* to, std::size_t bytes) override {
    worked(cudaMemsetAsync(to, 0, bytes, native()), "clearing memory");
  }
  void copy(std::byte* to, const std::byte* from, std::size_t bytes) override {
    worked(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, native()), "copying on the GPU");
  }
  void copy_in(std::byte* to, const void* host, std::size_t bytes, Stream* in) override {
    if (bytes == 0) return;
    check_not_recording();
    Stream& stream = in != nullptr ? *in : compute_;
    const std::size_t size = Pool::size_class(bytes);
    std::byte* block = staging_->take(size);
    if (block != nullptr) std::memcpy(block, host, bytes);
    worked(cudaMemcpyAsync(to, block != nullptr ? block : host, bytes, cudaMemcpyHostToDevice,
                           static_cast<cudaStream_t>(stream.native())),
           "copying to the GPU");
    if (block != nullptr)
      staging_->lend(block, size, stream.mark());
    else
      stream.finish();
  }
  void copy_out(void* host, const std::byte* from, std::size_t bytes) override {
    check_not_recording();
    worked(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, native()), "copying from the GPU");
    compute_.finish();
  }
  Arrival begin_copy_out(const std::byte* from, std::size_t bytes) override {
    check_not_recording();
    const std::size_t size = Pool::size_class(bytes);
    std::byte* block = staging_->take(size);
    if (block == nullptr) return Device::begin_copy_out(from, bytes);
    worked(cudaMemcpyAsync(block, from, bytes, cudaMemcpyDeviceToHost, native()), "copying from the GPU");
    const Event there = compute_.mark();
    auto lend = [to = staging_, size, there](const std::byte* p) { to->lend(const_cast<std::byte*>(p), size, there); };
    return {{block, lend}, there};
  }

  void apart(const std::function<void()>& ask) override {
    releases_ = pool_->releases();
    const Now now(*this, false);
    ask();
  }
  std::unique_ptr<Recorded> record(const std::function<void()>& ask) override {
    if (pool_->releases() != releases_) return nullptr;
    const Now now(*this, true);
    Captured captured(native());
    ask();
    return std::make_unique<CudaGraph>(captured.instance(), native(), pool_);
  }

 private:
  struct Now {  // while work is run apart, or recorded
    Now(CudaDevice& d, bool recording) : device(d) {
      device.place_ = Pool::apart, device.recording_ = recording;
      if (recording) device.pool_->freeze();
    }
    ~Now() {
      device.place_ = Pool::open, device.recording_ = false;
      device.pool_->thaw();
    }
    Now(const Now&) = delete;
    Now& operator=(const Now&) = delete;
    CudaDevice& device;
  };
  void check_not_recording() const {
    check(!recording_, "work to be recorded copies numbers from or to the host, which may not be there next time");
  }
  cudaStream_t native() const { return static_cast<cudaStream_t>(compute_.native()); }
  [[noreturn]] void out_of_memory(std::size_t size) const {
    std::size_t left = 0, all = 0;
    cudaMemGetInfo(&left, &all);
    throw OutOfMemory(sentence("out of memory on {}: {} MB asked, {} MB in use, {} MB of {} MB free", name_, size >> 20,
                               pool_->use().now >> 20, left >> 20, all >> 20),
                      "device_cuda.cpp", capacity_);
  }

  int index_;
  Pool::Place place_ = Pool::open;
  bool recording_ = false;
  int releases_ = -1;  // of the pool when work apart was last begun
  std::unique_ptr<Device> host_;
  std::string name_;
  std::size_t capacity_ = 0;
  std::shared_ptr<Pool> pool_ = std::make_shared<Pool>(device_block, [](std::byte* p) { cudaFree(p); });
  std::shared_ptr<Staging> staging_ = std::make_shared<Staging>();
  CudaStream compute_;
};

}  // namespace

int cuda_devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {  // no driver, or no GPU
    cudaGetLastError();
    return 0;
  }
  return count;
}

std::unique_ptr<Device> open_cuda(int index) {
  int count = cuda_devices();
  check(count > 0, "there is no GPU that CUDA can use; set compute.device=cpu");
  check(index >= 0 && index < count, "GPU {} of {}", index, count);
  worked(cudaSetDevice(index), "choosing the GPU");
  return std::make_unique<CudaDevice>(index);
}

}  // namespace lact
