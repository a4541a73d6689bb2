// Fibers, barriers and memory of the emulated GPU.
#include <cublasLt.h>
#include <cuda_runtime.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace emulated {
std::atomic<std::uint64_t> waits{0}, allocations{0};
namespace {

// Saves what a call must keep on the stack of the one and goes on with the other (x86-64 System V).
extern "C" void emulated_switch(void** from, void* to);
asm(R"(
.text
.globl emulated_switch
.type emulated_switch, @function
emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulated_switch, .-emulated_switch
)");

enum class State : std::uint8_t { ready, at_block, at_warp, done };
constexpr std::size_t stack_bytes = 64 << 10;

struct Fiber {
  std::unique_ptr<char[]> stack;
  void* at = nullptr;
  State state = State::done;
  Place place;
};

struct Block {  // the one that this thread of the host runs
  std::vector<Fiber> fibers;
  std::vector<std::array<char, 64>> slots;
  std::vector<char> shared;
  const std::function<void()>* thread = nullptr;
  Fiber* running = nullptr;
  void* scheduler = nullptr;
};
thread_local Block block;
thread_local bool backwards = false;

void leave(State s) {
  block.running->state = s;
  emulated_switch(&block.running->at, block.scheduler);
}

void enter() {  // the first thing that a fiber does
  (*block.thread)();
  leave(State::done);
}

void resume(Fiber& f) {
  block.running = &f;
  emulated_switch(&block.scheduler, f.at);
}

void prepare(Fiber& f) {
  if (!f.stack) f.stack.reset(new char[stack_bytes]);
  auto top = (reinterpret_cast<std::uintptr_t>(f.stack.get()) + stack_bytes) / 16 * 16;
  auto* words = reinterpret_cast<void**>(top) - 8;  // six registers, the address to return to, and alignment
  std::memset(words, 0, 8 * sizeof(void*));
  words[6] = reinterpret_cast<void*>(&enter);
  f.at = words;
  f.state = State::ready;
}

// Runs the threads [first, first + n) until none can go on; true if any has not ended.
bool run_warp(std::size_t first, std::size_t n) {
  bool live = false;
  for (bool again = true; again;) {
    again = false;
    std::size_t waiting = 0, ended = 0;
    for (std::size_t i = 0; i < n; ++i) {
      Fiber& f = block.fibers[first + (backwards ? n - 1 - i : i)];
      if (f.state == State::ready) resume(f);
      waiting += f.state == State::at_warp;
      ended += f.state == State::done;
    }
    live = ended < n;
    if (waiting > 0 && waiting + ended == n) {
      for (std::size_t i = 0; i < n; ++i)
        if (block.fibers[first + i].state == State::at_warp) block.fibers[first + i].state = State::ready;
      again = true;
    }
  }
  return live;
}

void run_block(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i) prepare(block.fibers[i]);
  for (bool live = true; live;) {
    live = false;
    const std::size_t warps = (threads + 31) / 32;
    for (std::size_t w = 0; w < warps; ++w) {
      const std::size_t first = (backwards ? warps - 1 - w : w) * 32;
      live = run_warp(first, std::min<std::size_t>(32, threads - first)) || live;
    }
    for (std::size_t i = 0; live && i < threads; ++i) {
      State& s = block.fibers[i].state;
      if (s == State::at_warp) {
        std::fputs("emulated GPU: some lanes of a warp wait for others that do not come\n", stderr);
        std::abort();
      }
      if (s == State::at_block) s = State::ready;
    }
  }
}

}  // namespace

Place& here() { return block.running->place; }
void barrier() { leave(State::at_block); }
const void* exchange(const void* mine, std::size_t bytes) {
  const auto i = std::size_t(block.running - block.fibers.data());
  std::memcpy(block.slots[i].data(), mine, bytes);
  leave(State::at_warp);
  return block.slots[i / 32 * 32].data();
}
void done_with_exchange() { leave(State::at_warp); }
void* dynamic_shared() {
  auto at = reinterpret_cast<std::uintptr_t>(block.shared.data());
  return reinterpret_cast<void*>((at + 127) / 128 * 128);
}

void launch(dim3 blocks, dim3 threads, std::size_t shared, const std::function<void()>& thread) {
  const std::size_t count = std::size_t(threads.x) * threads.y * threads.z;
  static bool turn = false;
  turn = !turn;
  const bool way = turn;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t b = 0; b < std::int64_t(blocks.x) * blocks.y; ++b) {
    backwards = way;
    if (block.fibers.size() < count) block.fibers.resize(count), block.slots.resize(count);
    block.shared.assign(shared + 128, char(0x7f));  // what nobody wrote is no sensible number
    block.thread = &thread;
    for (std::size_t i = 0; i < count; ++i)
      block.fibers[i].place = {dim3(unsigned(i % threads.x), unsigned(i / threads.x)),
                               dim3(unsigned(b % blocks.x), unsigned(b / blocks.x)), threads, blocks};
    run_block(count);
  }
}

}  // namespace emulated

// ---- streams

struct EmulatedStream {
  std::shared_ptr<EmulatedStream> self{this};  // until it is destroyed; events in it live longer
  std::mutex mutex;                            // guards what follows
  std::condition_variable changed;
  std::deque<std::function<void()>> tasks;
  std::uint64_t asked = 0, done = 0;
  bool ending = false;
  std::thread thread;                          // from the first task on
  std::deque<std::function<void()>> arrivals;  // copies to the host that it has not waited for
  std::uint64_t sent = 0;

  void run() {
    for (std::unique_lock lock(mutex);;) {
      changed.wait(lock, [this] { return ending || !tasks.empty(); });
      if (tasks.empty()) return;
      const auto task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      task();
      lock.lock();
      ++done;
      changed.notify_all();
    }
  }
  void wait(std::uint64_t until) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done >= until; });
  }
  void arrive(std::uint64_t until) {
    std::lock_guard lock(mutex);
    for (; sent - arrivals.size() < until; arrivals.pop_front()) arrivals.front()();
  }
};
struct EmulatedEvent {
  std::shared_ptr<EmulatedStream> stream;
  std::uint64_t at = 0, sent = 0;
  std::shared_ptr<double> seconds;  // when it was passed, of one that keeps the time; a task may outlive the event
};

namespace {
double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
}  // namespace

void emulated::enqueue(cudaStream_t s, std::function<void()> task) {
  std::lock_guard lock(s->mutex);
  if (!s->thread.joinable()) s->thread = std::thread([s] { s->run(); });
  s->tasks.push_back(std::move(task));
  ++s->asked;
  s->changed.notify_all();
}

cudaError_t cudaGetDeviceCount(int* n) {
  const char* asked = std::getenv("EMULATED_GPUS");
  return *n = asked != nullptr ? std::atoi(asked) : 1, cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* id, int bytes, int device) {
  std::snprintf(id, std::size_t(bytes), "emulated:%d", device);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) { return *s = new EmulatedStream, cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  {
    std::lock_guard lock(s->mutex);
    s->ending = true;
    s->changed.notify_all();
  }
  if (s->thread.joinable()) s->thread.join();
  const auto last = std::move(s->self);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  if (emulated::forbidden()) return cudaErrorStreamCaptureUnsupported;
  ++emulated::waits;
  s->wait(s->asked);  // only the host's thread asks
  s->arrive(s->sent);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t e) {
  if (emulated::forbidden()) return cudaErrorStreamCaptureIsolation;
  if (e->stream != nullptr) e->stream->wait(e->at);
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned flags) {
  *e = new EmulatedEvent;
  if ((flags & cudaEventDisableTiming) == 0) (*e)->seconds = std::make_shared<double>(0);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  delete e;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  if (emulated::forbidden()) return cudaErrorStreamCaptureUnsupported;
  if (e->seconds) {
    *e->seconds = clock_seconds();
    if (s->thread.joinable()) emulated::enqueue(s, [at = e->seconds] { *at = clock_seconds(); });
  }
  std::lock_guard lock(s->mutex);
  e->stream = s->self, e->at = s->asked, e->sent = s->sent;
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
  if (emulated::forbidden()) return cudaErrorStreamCaptureUnsupported;
  if (e->stream == nullptr) return cudaSuccess;
  {
    std::lock_guard lock(e->stream->mutex);
    if (e->stream->done < e->at) return cudaErrorNotReady;
  }
  return e->stream->arrive(e->sent), cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  if (emulated::forbidden()) return cudaErrorStreamCaptureUnsupported;
  ++emulated::waits;
  if (e->stream != nullptr) e->stream->wait(e->at), e->stream->arrive(e->sent);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t n, cudaMemcpyKind kind, cudaStream_t s) {
  const bool here = kind == cudaMemcpyDeviceToDevice,
             waits = !here && !emulated::is_pinned(kind == cudaMemcpyHostToDevice ? from : to);
  if (waits && emulated::forbidden()) return cudaErrorStreamCaptureUnsupported;
  emulated::waits += waits;
  if (kind != cudaMemcpyDeviceToHost || waits) return emulated::ask(s, [=] { std::memmove(to, from, n); });
  return emulated::ask(s, [=] {
    std::lock_guard lock(s->mutex);
    auto copy = std::make_shared<std::vector<char>>(n);
    std::memcpy(copy->data(), from, n);
    std::memset(to, 0x7f, n);  // what has not arrived is no sensible number
    s->arrivals.push_back([to, copy] { std::memcpy(to, copy->data(), copy->size()); });
    ++s->sent;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return *milliseconds = float((*to->seconds - *from->seconds) * 1e3), cudaSuccess;
}

// ---- cuBLASLt: column-major products by the definition
// ----------------------------------------------------------------

namespace {
double number(const void* p, std::int64_t i, cudaDataType_t t) {
  if (t == CUDA_R_64F) return static_cast<const double*>(p)[i];
  if (t == CUDA_R_32F) return double(static_cast<const float*>(p)[i]);
  const std::uint32_t bits = std::uint32_t(static_cast<const std::uint16_t*>(p)[i]) << 16;
  float f;
  std::memcpy(&f, &bits, sizeof(f));
  return double(f);
}
void store(void* p, std::int64_t i, cudaDataType_t t, double v) {
  if (t == CUDA_R_64F) {
    static_cast<double*>(p)[i] = v;
  } else if (t == CUDA_R_32F) {
    static_cast<float*>(p)[i] = float(v);
  } else {
    const auto f = float(v);
    std::uint32_t bits;
    std::memcpy(&bits, &f, sizeof(bits));
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    static_cast<std::uint16_t*>(p)[i] =
        std::uint16_t(nan ? (bits >> 16) | 0x40u : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
  }
}
}  // namespace

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t d, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t la, const void* b, cublasLtMatrixLayout_t lb, const void* beta,
                              const void* c, cublasLtMatrixLayout_t lc, void* y, cublasLtMatrixLayout_t ly,
                              const cublasLtMatmulAlgo_t*, void*, std::size_t, cudaStream_t stream) {
  const bool wide = ly->type == CUDA_R_64F, ta = d->a == CUBLAS_OP_T, tb = d->b == CUBLAS_OP_T;
  const double by = wide ? *static_cast<const double*>(alpha) : double(*static_cast<const float*>(alpha));
  const double old = wide ? *static_cast<const double*>(beta) : double(*static_cast<const float*>(beta));
  const std::int64_t m = ly->rows, n = ly->columns, k = ta ? la->rows : la->columns;
  if ((ta ? la->columns : la->rows) != m || (tb ? lb->columns : lb->rows) != k || (tb ? lb->rows : lb->columns) != n ||
      la->lead < la->rows || lb->lead < lb->rows || ly->lead < ly->rows || lc != ly)
    return CUBLAS_STATUS_INVALID_VALUE;
  emulated::ask(stream, [=] {
#pragma omp parallel for collapse(2)
    for (std::int64_t item = 0; item < ly->items; ++item)
      for (std::int64_t j = 0; j < n; ++j) {
        std::vector<double> column(std::size_t(m), 0.0);
        for (std::int64_t l = 0; l < k; ++l) {
          const double f = number(b, item * lb->step + (tb ? l * lb->lead + j : j * lb->lead + l), lb->type);
          for (std::int64_t i = 0; i < m; ++i)
            column[std::size_t(i)] +=
                f * number(a, item * la->step + (ta ? i * la->lead + l : l * la->lead + i), la->type);
        }
        for (std::int64_t i = 0; i < m; ++i) {
          const std::int64_t at = item * ly->step + j * ly->lead + i;
          const double before = old == 0 ? 0 : old * number(c, at, ly->type);
          store(y, at, ly->type, by * column[std::size_t(i)] + before);
        }
      }
  });
  return CUBLAS_STATUS_SUCCESS;
}
