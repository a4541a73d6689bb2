// CUDA's runtime and its kernel language on the CPU, as far as the kernels of src/kernels/cuda use them: blocks run one
// after the other, the threads of a block as fibers that change at barriers and warp exchanges. The same kernel sources
// are compiled for the host with this folder in front of CUDA's headers (LACT_CUDA=emulated), so that every kernel,
// launch and copy runs under the tests where there is no GPU. It judges results, not speed, and sees races only as far
// as the order of threads shows them; that order turns around with every launch.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

namespace emulated {

struct Place {
  dim3 thread, block, threads, blocks;
};
Place& here();                                        // of the running fiber
void barrier();                                       // of the block
const void* exchange(const void* mine, std::size_t);  // every lane's bytes, 64 apart, after a barrier of the warp
void done_with_exchange();                            // a barrier of the warp
void* dynamic_shared();
void launch(dim3 blocks, dim3 threads, std::size_t shared, const std::function<void()>& thread);

template <class T>
T shuffled(T v, int lane) {
  static_assert(sizeof(T) <= 64);
  const auto* all = static_cast<const char*>(exchange(&v, sizeof(v)));
  T other;
  std::memcpy(&other, all + 64 * lane, sizeof(T));
  done_with_exchange();
  return other;
}
inline int lane() { return int((here().thread.x + here().threads.x * here().thread.y) % 32); }

}  // namespace emulated

namespace emulated {
template <dim3 Place::*Which, unsigned dim3::*Axis>
struct Coordinate {
  operator unsigned() const { return here().*Which.*Axis; }
};
template <dim3 Place::*Which>
struct Coordinates {
  Coordinate<Which, &dim3::x> x;
  Coordinate<Which, &dim3::y> y;
};
}  // namespace emulated
inline constexpr emulated::Coordinates<&emulated::Place::thread> threadIdx;
inline constexpr emulated::Coordinates<&emulated::Place::block> blockIdx;
inline constexpr emulated::Coordinates<&emulated::Place::threads> blockDim;
inline constexpr emulated::Coordinates<&emulated::Place::blocks> gridDim;

inline void __syncthreads() { emulated::barrier(); }
inline void __syncwarp() { emulated::shuffled(0, 0); }
template <class T>
T __shfl_xor_sync(unsigned, T v, int by) {
  return emulated::shuffled(v, emulated::lane() ^ by);
}
template <class T>
T __shfl_sync(unsigned, T v, int lane) {
  return emulated::shuffled(v, lane);
}

// ---- the host's side
// --------------------------------------------------------------------------------------------------

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorMemoryAllocation = 2,
  cudaErrorNotReady = 600,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureIsolation = 905
};
using cudaStream_t = struct EmulatedStream*;
using cudaEvent_t = struct EmulatedEvent*;
using cudaGraph_t = struct EmulatedGraph*;
using cudaGraphExec_t = struct EmulatedGraph*;
namespace emulated {
// Kernels and copies run at once, whatever their stream; only what other processes have a part in runs later, in turn,
// in a thread of the stream. The host then waits where a stream waits for it.
void enqueue(cudaStream_t stream, std::function<void()> task);
// Runs it now, or notes it where this thread captures the stream.
cudaError_t ask(cudaStream_t stream, std::function<void()> task);
cudaError_t start(cudaStream_t stream, std::function<void()> kernel);
bool capturing(cudaStream_t stream);  // this thread, this stream
bool forbidden();                     // whether this thread captures, and may therefore not do what it is about to

// What cudaMalloc finds, together with what it has given already, beside the 64th that a device leaves to others.
void limit_memory(std::size_t bytes);
std::size_t fetched_memory();  // that it has given
bool is_pinned(const void* p);

// How often the host would have waited for a GPU: for a stream or an event, or in a copy from or to memory that is not
// pinned. Asking the driver for memory may wait too. Copies to pinned memory arrive when the host has waited for them.
struct Counts {
  std::uint64_t kernels = 0, waits = 0, allocations = 0, graphs = 0;  // kernels: started one by one, or captured
};
Counts counts();
}  // namespace emulated
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaStreamNonBlocking = 1, cudaEventDefault = 0, cudaEventBlockingSync = 1, cudaEventDisableTiming = 2 };
enum { cudaHostAllocDefault = 0 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
struct cudaDeviceProp {
  char name[64];
  std::size_t totalGlobalMem = 0;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream{};
};

inline const char* cudaGetErrorString(cudaError_t) { return "emulated"; }
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* n);  // EMULATED_GPUS in the environment, else 1
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int);
cudaError_t cudaDeviceGetPCIBusId(char* id, int bytes, int device);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned);
cudaError_t cudaStreamDestroy(cudaStream_t);
cudaError_t cudaStreamSynchronize(cudaStream_t);
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned);
cudaError_t cudaEventDestroy(cudaEvent_t);
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t);
cudaError_t cudaEventQuery(cudaEvent_t);
cudaError_t cudaEventSynchronize(cudaEvent_t);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaMalloc(void** p, std::size_t bytes);
cudaError_t cudaFree(void* p);
cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned);
cudaError_t cudaFreeHost(void* p);
cudaError_t cudaMemGetInfo(std::size_t* left, std::size_t* all);
inline cudaError_t cudaMemsetAsync(void* p, int v, std::size_t n, cudaStream_t s) {
  return emulated::ask(s, [=] { std::memset(p, v, n); });
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t n, cudaMemcpyKind, cudaStream_t);
template <class K>
cudaError_t cudaFuncSetAttribute(K*, cudaFuncAttribute, int) {
  return cudaSuccess;
}
template <class... P, class... A>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* how, void (*kernel)(P...), A&&... a) {
  return emulated::start(how->stream, [how = *how, kernel, all = std::tuple<std::decay_t<P>...>(P(a)...)] {
    emulated::launch(how.gridDim, how.blockDim, how.dynamicSmemBytes, [&] { std::apply(kernel, all); });
  });
}
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long);
cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t s);
inline cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
