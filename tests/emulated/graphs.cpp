// Streams that are captured, and graphs. What a capture forbids makes it fail, also what its relaxed mode would let
// pass on a GPU: memory that is fetched, and questions about events.
#include <cuda_runtime.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace emulated {
extern std::atomic<std::uint64_t> waits, allocations;
namespace {

struct Capture {
  cudaStream_t stream{};
  std::vector<std::function<void()>> tasks;
  bool valid = true;
};
thread_local std::unique_ptr<Capture> capture;
thread_local cudaError_t last_error = cudaSuccess;
std::atomic<std::uint64_t> kernels{0}, graphs{0};

cudaError_t failed(cudaError_t error) { return last_error = error; }

}  // namespace

bool capturing(cudaStream_t s) { return capture && capture->stream == s; }

cudaError_t ask(cudaStream_t s, std::function<void()> task) {
  if (!capturing(s)) return task(), cudaSuccess;
  if (!capture->valid) return failed(cudaErrorStreamCaptureInvalidated);
  capture->tasks.push_back(std::move(task));
  return cudaSuccess;
}

bool forbidden() {
  if (!capture) return false;
  capture->valid = false;
  failed(cudaErrorStreamCaptureUnsupported);
  return true;
}

cudaError_t start(cudaStream_t s, std::function<void()> kernel) { return ++kernels, ask(s, std::move(kernel)); }

Counts counts() { return {kernels, waits, allocations, graphs}; }

}  // namespace emulated

struct EmulatedGraph {
  std::vector<std::function<void()>> tasks;
};

cudaError_t cudaGetLastError() { return std::exchange(emulated::last_error, cudaSuccess); }

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  if (emulated::capture) return emulated::failed(cudaErrorStreamCaptureUnsupported);
  emulated::capture = std::make_unique<emulated::Capture>(emulated::Capture{s, {}});
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!emulated::capturing(s)) return emulated::failed(cudaErrorStreamCaptureUnsupported);
  const auto capture = std::move(emulated::capture);
  if (!capture->valid) return emulated::failed(cudaErrorStreamCaptureInvalidated);
  *graph = new EmulatedGraph{std::move(capture->tasks)};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long) {
  if (std::getenv("EMULATED_NO_GRAPHS") != nullptr) return emulated::failed(cudaErrorMemoryAllocation);
  *instance = new EmulatedGraph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t) {
  ++emulated::graphs;
  for (const auto& task : instance->tasks) task();
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) { return delete instance, cudaSuccess; }
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
