// Sums of a square matrix and its transpose.
#include "kernels/cuda/cuda.hpp"
#include "kernels/cuda/launch.cuh"
#include "kernels/layout.hpp"

namespace lact::kernels::cuda {
namespace {

constexpr int tile = 32, tile_rows = 8;

// A block writes one tile: its own numbers and, turned around in shared memory, those of its mirror image.
template <class T>
__global__ void __launch_bounds__(tile* tile_rows) add_mirrored(T* y, const T* x, std::int64_t n) {
  __shared__ Computed<T> mirror[tile][tile + 1];  // the odd row keeps a column out of one bank
  const std::int64_t tiles = (n + tile - 1) / tile, at = std::int64_t(blockIdx.x) % (tiles * tiles),
                     item = std::int64_t(blockIdx.x) / (tiles * tiles) * n * n;
  const std::int64_t row = at / tiles * tile, column = at % tiles * tile;
  const auto lane = std::int64_t(threadIdx.x);
  for (std::int64_t i = threadIdx.y; i < tile; i += tile_rows)
    if (column + i < n && row + lane < n) mirror[i][lane] = scalar::widened(x[item + (column + i) * n + row + lane]);
  __syncthreads();
  for (std::int64_t i = threadIdx.y; i < tile; i += tile_rows) {
    if (row + i >= n || column + lane >= n) continue;
    const std::int64_t place = item + (row + i) * n + column + lane;
    scalar::put(y[place], scalar::widened(x[place]) + mirror[lane][i]);
  }
}

}  // namespace

void add_transposed(Tensor y, const Tensor& x) {
  if (y.count() == 0) return;
  const std::int64_t n = y.dim(-1), tiles = (n + tile - 1) / tile, blocks = y.count() / (n * n) * tiles * tiles;
  check(blocks < std::int64_t(1) << 31, "add_transposed: {} matrices of {} x {} are too many", y.count() / (n * n), n,
        n);
  for_stored(y, "add_transposed", [&](auto t) {
    using T = decltype(t);
    run("add_transposed", add_mirrored<T>, dim3(unsigned(blocks)), dim3(tile, tile_rows), 0, y, y.data<T>(),
        x.data<T>(), n);
  });
}

}  // namespace lact::kernels::cuda
