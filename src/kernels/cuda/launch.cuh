// What every kernel file needs: stored types, packs of numbers, and starting work on the device of a tensor.
#pragma once
#include <cuda_runtime.h>

#include "kernels/cuda/places.hpp"
#include "kernels/cuda/ptx.cuh"
#include "kernels/kernel.hpp"

namespace lact::kernels::cuda {

using scalar::Bf16;

template <class T>
struct ComputedIn {  // the type that numbers stored as T are computed in
  using Type = T;
};
template <>
struct ComputedIn<Bf16> {
  using Type = float;
};
template <class T>
using Computed = typename ComputedIn<T>::Type;

template <class T>
constexpr int wide = 16 / int(sizeof(T));  // numbers of the widest access

template <class T, int V>
struct alignas(V * sizeof(T) < 16 ? V * sizeof(T) : 16) Pack {
  T at[V];
};

// V numbers from p on, `step` elements apart, in the type they are computed in; 1 is one wide access.
template <int V, class T>
__device__ __forceinline__ void take(Computed<T> (&to)[V], const T* p, std::int64_t step = 1) {
  if (step == 1) {
    const auto pack = *reinterpret_cast<const Pack<T, V>*>(p);
#pragma unroll
    for (int i = 0; i < V; ++i) to[i] = scalar::widened(pack.at[i]);
  } else {
#pragma unroll
    for (int i = 0; i < V; ++i) to[i] = scalar::widened(p[i * step]);
  }
}
template <int V, class T>
__device__ __forceinline__ void give(T* p, const Computed<T> (&from)[V]) {
  Pack<T, V> pack;
#pragma unroll
  for (int i = 0; i < V; ++i) scalar::put(pack.at[i], from[i]);
  *reinterpret_cast<Pack<T, V>*>(p) = pack;
}

inline cudaStream_t stream_of(const Tensor& y) { return static_cast<cudaStream_t>(y.device().compute().native()); }
void launched(const char* kernel);  // fails with a sentence if the last kernel could not be started

// Starts a kernel in the stream of y's device.
template <class... P, class... A>
void run(const char* name, void (*kernel)(P...), dim3 blocks, dim3 threads, std::size_t shared, const Tensor& y,
         const A&... arguments) {
  if (shared > (48u << 10)) cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared));
  cudaLaunchConfig_t how{};
  how.gridDim = blocks;
  how.blockDim = threads;
  how.dynamicSmemBytes = shared;
  how.stream = stream_of(y);
  cudaLaunchKernelEx(&how, kernel, P(arguments)...);
  launched(name);
}

// f.at<V>(i) for i = 0, V, 2 V, ... < n.
template <int V, class F>
__global__ void __launch_bounds__(256) over(F f, std::int64_t n) {
  const std::int64_t stride = std::int64_t(gridDim.x) * blockDim.x * V;
  for (std::int64_t i = (std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * V; i < n; i += stride)
    f.template at<V>(i);
}
template <int V, class F>
void start(const Tensor& y, const char* kernel, std::int64_t n, const F& f) {
  if (n == 0) return;
  const std::int64_t blocks = std::min<std::int64_t>((n / V + 255) / 256, 1 << 16);
  run(kernel, over<V, F>, dim3(unsigned(std::max<std::int64_t>(blocks, 1))), 256, 0, y, f, n);
}

// Over operands that are contiguous and of one shape, V numbers at a time where all of them are aligned for it.
template <int V, class F>
void start_flat(std::initializer_list<const Tensor*> all, const char* kernel, const F& f) {
  const Tensor& y = **all.begin();
  bool packs = y.count() % V == 0;
  for (const Tensor* t : all)
    packs = packs && reinterpret_cast<std::uintptr_t>(t->raw()) %
                             std::min<std::uintptr_t>(16, V * std::uintptr_t(size_of(t->dtype()))) ==
                         0;
  if (packs)
    start<V>(y, kernel, y.count(), f);
  else
    start<1>(y, kernel, y.count(), f);
}

// Calls f(T{}) with the type in which the numbers of y are stored.
template <class F>
void for_stored(const Tensor& y, const char* kernel, F&& f) {
  switch (y.dtype()) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::bf16:
      return f(Bf16{});
    default:
      fail("{} computes in f32, f64 or bf16, not {}", kernel, name_of(y.dtype()));
  }
}

// Sums over the W threads that share a row, in a fixed order; every one of them gets the sum. W is a power of two;
// above 32 they are the whole block.
template <int W, class A, class F>
__device__ __forceinline__ A joined(A v, F f) {
#pragma unroll
  for (int d = (W < 32 ? W : 32) / 2; d > 0; d /= 2) v = f(v, __shfl_xor_sync(0xffffffffu, v, d));
  if constexpr (W > 32) {
    __shared__ A parts[W / 32];
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v;
    __syncthreads();
    v = parts[0];
    for (int i = 1; i < W / 32; ++i) v = f(v, parts[i]);
  }
  return v;
}
template <int W, class A>
__device__ __forceinline__ A sum(A v) {
  return joined<W>(v, [](A a, A b) { return a + b; });
}
template <int W, class A>
__device__ __forceinline__ A most(A v) {
  return joined<W>(v, [](A a, A b) { return a > b ? a : b; });
}

// V numbers at a time of a row of n that W threads share.
template <int V, int W, class F>
__device__ __forceinline__ void each_pack(int lane, std::int64_t n, F f) {
  for (std::int64_t i = std::int64_t(lane) * V; i < n; i += W * V) f(i);
}

constexpr int threads_per_block = 256, long_row = 4096;
constexpr int block_row = 1024;  // threads of a long row
// Starts f<W> with W threads per row: f(row) of every row, rows spread over blocks.
template <int W, class F>
__global__ void __launch_bounds__(W > threads_per_block ? W : threads_per_block) each_row(F f, std::int64_t rows) {
  constexpr int per_block = W > threads_per_block ? 1 : threads_per_block / W;
  const std::int64_t stride = std::int64_t(gridDim.x) * per_block;
  // All threads of a warp make the same number of rounds, because rows of fewer than 32 threads share a warp whose
  // threads exchange numbers: past the last row they work on it again, and `mine` is false.
  for (std::int64_t base = std::int64_t(blockIdx.x) * per_block; base < rows; base += stride) {
    const std::int64_t row = base + threadIdx.x / W;
    f.template at<W>(row < rows ? row : rows - 1, int(threadIdx.x) % W, row < rows);
  }
}
template <class F>
void start_rows(const Tensor& y, const char* kernel, std::int64_t rows, std::int64_t n, std::int64_t packs,
                const F& f) {
  if (rows == 0) return;
  auto go = [&](auto width) {
    constexpr int W = decltype(width)::value;
    constexpr int per_block = W > threads_per_block ? 1 : threads_per_block / W;
    const std::int64_t blocks = std::min<std::int64_t>((rows + per_block - 1) / per_block, 1 << 16);
    run(kernel, each_row<W, F>, dim3(unsigned(blocks)), W > threads_per_block ? W : threads_per_block, 0, y, f, rows);
  };
  if (n > long_row)
    go(std::integral_constant<int, block_row>{});
  else if (n / packs <= 8)
    go(std::integral_constant<int, 8>{});
  else
    go(std::integral_constant<int, 32>{});
}

}  // namespace lact::kernels::cuda
