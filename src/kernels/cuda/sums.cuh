// Sums over many numbers in a fixed order: pieces whose size depends on the shape alone, then the pieces in order.
#pragma once
#include "kernels/cuda/launch.cuh"

namespace lact::kernels::cuda {

// Sums of f(output, i) over i in [0, n), for each output. Two ways, by what lies together in memory: along i (a warp
// reads neighbours of one output) or along the outputs (each thread of a warp sums one output).
enum class Along { terms, outputs };

template <class A, class F>
__global__ void __launch_bounds__(256)
    sum_terms(A* parts, F f, std::int64_t outputs, std::int64_t n, std::int64_t piece) {
  const std::int64_t warps = std::int64_t(gridDim.x) * 8, pieces = (n + piece - 1) / piece;
  for (std::int64_t at = std::int64_t(blockIdx.x) * 8 + threadIdx.x / 32; at < outputs * pieces; at += warps) {
    const std::int64_t output = at / pieces, begin = at % pieces * piece, end = begin + piece < n ? begin + piece : n;
    A total = 0;
    for (std::int64_t i = begin + threadIdx.x % 32; i < end; i += 32) total += f(output, i);
    total = sum<32>(total);
    if (threadIdx.x % 32 == 0) parts[at % pieces * outputs + output] = total;
  }
}

template <class A, class F>
__global__ void __launch_bounds__(256)
    sum_outputs(A* parts, F f, std::int64_t outputs, std::int64_t n, std::int64_t piece) {
  __shared__ A shared[8][33];
  const std::int64_t output = std::int64_t(blockIdx.x) * 32 + threadIdx.x;
  const std::int64_t begin = std::int64_t(blockIdx.y) * piece, end = begin + piece < n ? begin + piece : n;
  A total = 0;
  if (output < outputs)
    for (std::int64_t i = begin + threadIdx.y; i < end; i += 8) total += f(output, i);
  shared[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y != 0 || output >= outputs) return;
  for (int k = 1; k < 8; ++k) total += shared[k][threadIdx.x];
  parts[std::int64_t(blockIdx.y) * outputs + output] = total;
}

template <class T, class A, class G>
struct JoinParts {  // g(sum) of each output's pieces, stored
  T* y;
  const A* parts;
  std::int64_t outputs, pieces;
  G g;
  template <int V>
  __device__ void at(std::int64_t i) const {
    A total = parts[i];
    for (std::int64_t k = 1; k < pieces; ++k) total += parts[k * outputs + i];
    scalar::put(y[i], g(total));
  }
};

struct Same {
  template <class A>
  __device__ A operator()(A x) const {
    return x;
  }
};

// y[output] = g(sum). A: the type of the sums.
template <class A, class T, class F, class G = Same>
void sum_up(const Tensor& y, T* to, Along along, std::int64_t outputs, std::int64_t n, const F& f, const G& g = {}) {
  if (outputs == 0) return;
  // enough pieces to fill a large GPU, none so short that joining them costs more than they do
  const std::int64_t wanted = std::max<std::int64_t>(1, (along == Along::terms ? 8192 : 65536) / outputs);
  const std::int64_t least = along == Along::terms ? 1024 : 64;
  const std::int64_t piece = std::max(least, (n + wanted - 1) / wanted);
  const std::int64_t pieces = std::max<std::int64_t>(1, (n + piece - 1) / piece);
  const Tensor scratch = Tensor::empty(y.device(), {outputs * pieces}, sizeof(A) == 8 ? DType::f64 : DType::f32);
  A* parts = scratch.data<A>();
  if (along == Along::terms) {
    const std::int64_t blocks = std::min<std::int64_t>((outputs * pieces + 7) / 8, 1 << 16);
    run("sum", sum_terms<A, F>, dim3(unsigned(blocks)), 256, 0, y, parts, f, outputs, n, piece);
  } else {
    const dim3 grid(unsigned((outputs + 31) / 32), unsigned(pieces));
    run("sum", sum_outputs<A, F>, grid, dim3(32, 8), 0, y, parts, f, outputs, n, piece);
  }
  start<1>(y, "sum", outputs, JoinParts<T, A, G>{to, parts, outputs, pieces, g});
}

}  // namespace lact::kernels::cuda
