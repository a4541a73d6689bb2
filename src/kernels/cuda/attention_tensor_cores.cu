// Softmax attention of bf16 heads of 64 numbers on tensor cores (mma m16n8k16, f32 sums), tiles as in FlashAttention-2
// (Dao 2023). A warp owns 16 rows and sees the others tile by tile; the gradients of queries and of keys are two
// kernels, so that every sum has one order.
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/ptx.cuh"

namespace lact::kernels::cuda {
namespace {

constexpr int width = 64, warps = 8, rows = 16 * warps, tile = 64, threads = 32 * warps;
constexpr unsigned row_bytes = width * 2, tile_bytes = tile * row_bytes, rows_bytes = rows * row_bytes;
constexpr float log2_e = 1.44269504f, ln_2 = 0.693147181f;

using Rows = Fragment[width / 16];  // 16 rows of a head, as left operand
using Scores = float[tile / 8][4];  // 16 x 64, sums
using Results = float[width / 8][4];

// 16-byte chunks of a row lie rotated by the row, so that eight rows of one column lie in different banks.
__device__ unsigned chunk_at(unsigned base, int row, int chunk) {
  return base + unsigned(row) * row_bytes + unsigned((chunk ^ (row & 7)) * 16);
}
template <int N>  // rows
__device__ void load(unsigned to, const Bf16* from, std::int64_t step, std::int64_t first, std::int64_t limit) {
  for (int i = int(threadIdx.x); i < N * width / 8; i += threads) {
    const int row = i / (width / 8), chunk = i % (width / 8);
    const bool there = first + row < limit;
    copy_async(chunk_at(to, row, chunk), from + (there ? first + row : 0) * step + chunk * 8, there);
  }
}

// The warp's 16 rows of a block of rows in shared memory.
__device__ void read_rows(Rows& to, unsigned base, int warp, int lane) {
#pragma unroll
  for (int k = 0; k < width / 16; ++k) read(to[k], chunk_at(base, warp * 16 + lane % 16, 2 * k + lane / 16));
}
// y = a b^T, b the rows of a tile.
__device__ void score(Scores& y, const Rows& a, unsigned b, int lane) {
#pragma unroll
  for (int n = 0; n < tile / 8; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) y[n][i] = 0;
#pragma unroll
  for (int k = 0; k < width / 16; ++k)
#pragma unroll
    for (int n = 0; n < tile / 16; ++n) {
      Fragment f;
      read(f, chunk_at(b, n * 16 + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
      multiply(y[2 * n], a[k], f[0], f[1]);
      multiply(y[2 * n + 1], a[k], f[2], f[3]);
    }
}
// y += a b, a 16 x tile in the layout of sums, b the rows of a tile.
__device__ void add_weighted(Results& y, const Scores& a, unsigned b, int lane) {
#pragma unroll
  for (int k = 0; k < tile / 16; ++k) {
    const Fragment left{packed(a[2 * k][0], a[2 * k][1]), packed(a[2 * k][2], a[2 * k][3]),
                        packed(a[2 * k + 1][0], a[2 * k + 1][1]), packed(a[2 * k + 1][2], a[2 * k + 1][3])};
#pragma unroll
    for (int n = 0; n < width / 16; ++n) {
      Fragment f;
      read_turned(f, chunk_at(b, k * 16 + lane % 16, 2 * n + lane / 16));
      multiply(y[2 * n], left, f[0], f[1]);
      multiply(y[2 * n + 1], left, f[2], f[3]);
    }
  }
}
// Rows lane / 4 and lane / 4 + 8 of the warp's 16, two neighbouring columns of each group of eight.
__device__ void store(Bf16* to, std::int64_t step, std::int64_t first, std::int64_t limit, const Results& y,
                      float factor0, float factor1, int lane) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const std::int64_t row = first + lane / 4 + 8 * half;
    if (row >= limit) continue;
    const float factor = half == 0 ? factor0 : factor1;
#pragma unroll
    for (int n = 0; n < width / 8; ++n)
      *reinterpret_cast<std::uint32_t*>(to + row * step + n * 8 + lane % 4 * 2) =
          packed(y[n][2 * half] * factor, y[n][2 * half + 1] * factor);
  }
}
__device__ float sum_of_four(float v) {  // the lanes that share a row
  v += __shfl_xor_sync(0xffffffffu, v, 1);
  return v + __shfl_xor_sync(0xffffffffu, v, 2);
}
__device__ float most_of_four(float v) {
  v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 1));
  return fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 2));
}
__device__ bool sees(const Mask& mask, std::int64_t query, std::int64_t key, std::int64_t keys) {
  const Range r = visible(mask, query, keys);
  return key >= r.begin && key < r.end;
}

__global__ void __launch_bounds__(threads) forward(Heads<Bf16> h, Bf16* o, HeadSteps o_step, float* lse) {
  const unsigned base = shared_address(shared_memory<unsigned char>());
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const std::int64_t head = blockIdx.y, first = std::int64_t(blockIdx.x) * rows, mine = first + warp * 16;
  const Bf16 *k = h.k + h.k_step.of(head, h.heads), *v = h.v + h.v_step.of(head, h.heads);
  auto stage = [&](std::int64_t t) { return base + rows_bytes + unsigned(t % 2) * 2 * tile_bytes; };
  auto fetch = [&](std::int64_t t) {
    load<tile>(stage(t), k, h.k_step.row, t * tile, h.keys);
    load<tile>(stage(t) + tile_bytes, v, h.v_step.row, t * tile, h.keys);
    commit();
  };
  const Range all = h.seen_by(first, rows);
  const std::int64_t begin = all.begin / tile, end = (all.end + tile - 1) / tile;
  load<rows>(base, h.q + h.q_step.of(head, h.heads), h.q_step.row, first, h.queries);
  fetch(begin);
  Rows query;
  Scores s;
  Results out = {};
  const float scale = h.scale * log2_e;
  float top[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
  for (std::int64_t t = begin; t < end; ++t) {
    if (t + 1 < end) {
      fetch(t + 1);
      wait_until_left<1>();
    } else {
      wait_until_left<0>();
    }
    __syncthreads();
    if (t == begin) read_rows(query, base, warp, lane);
    score(s, query, stage(t), lane);
    const bool partly = h.mask.causal || (t + 1) * tile > h.keys;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float higher = top[half];
#pragma unroll
      for (int n = 0; n < tile / 8; ++n)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          s[n][i] *= scale;
          if (partly && !sees(h.mask, mine + lane / 4 + 8 * half, t * tile + n * 8 + lane % 4 * 2 + i % 2, h.keys))
            s[n][i] = -INFINITY;
          higher = fmaxf(higher, s[n][i]);
        }
      higher = most_of_four(higher);
      const float from = higher == -INFINITY ? 0.f : higher, kept = exp2_of(top[half] - from);
      top[half] = higher;
      total[half] *= kept;
#pragma unroll
      for (int n = 0; n < width / 8; ++n) out[n][2 * half] *= kept, out[n][2 * half + 1] *= kept;
#pragma unroll
      for (int n = 0; n < tile / 8; ++n)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          s[n][i] = exp2_of(s[n][i] - from);
          total[half] += s[n][i];
        }
    }
    add_weighted(out, s, stage(t) + tile_bytes, lane);
    __syncthreads();
  }
  float factor[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float sum = sum_of_four(total[half]);
    factor[half] = scalar::inverse_or_zero(sum);
    const std::int64_t i = mine + lane / 4 + 8 * half;
    if (lane % 4 == 0 && i < h.queries) lse[head * h.queries + i] = sum == 0 ? -INFINITY : top[half] * ln_2 + logf(sum);
  }
  store(o + o_step.of(head, h.heads), o_step.row, mine, h.queries, out, factor[0], factor[1], lane);
}

// The weight of a score, in units of log2; lse is -infinity for a query that saw nothing.
__device__ float weight(float s, float lse, bool seen) { return seen && lse != -INFINITY ? exp2_of(s - lse) : 0.f; }

__global__ void __launch_bounds__(threads) backward_queries(Heads<Bf16> h, Gradients<Bf16> g) {
  const unsigned base = shared_address(shared_memory<unsigned char>());
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const std::int64_t head = blockIdx.y, first = std::int64_t(blockIdx.x) * rows, mine = first + warp * 16;
  const Bf16 *k = h.k + h.k_step.of(head, h.heads), *v = h.v + h.v_step.of(head, h.heads);
  auto stage = [&](std::int64_t t) { return base + 2 * rows_bytes + unsigned(t % 2) * 2 * tile_bytes; };
  auto fetch = [&](std::int64_t t) {
    load<tile>(stage(t), k, h.k_step.row, t * tile, h.keys);
    load<tile>(stage(t) + tile_bytes, v, h.v_step.row, t * tile, h.keys);
    commit();
  };
  const Range all = h.seen_by(first, rows);
  const std::int64_t begin = all.begin / tile, end = (all.end + tile - 1) / tile;
  load<rows>(base, h.q + h.q_step.of(head, h.heads), h.q_step.row, first, h.queries);
  load<rows>(base + rows_bytes, g.dout + g.dout_step.of(head, h.heads), g.dout_step.row, first, h.queries);
  fetch(begin);
  float lse[2], delta[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const std::int64_t i = mine + lane / 4 + 8 * half;
    lse[half] = i < h.queries ? g.lse[head * h.queries + i] * log2_e : -INFINITY;
    delta[half] = i < h.queries ? g.delta[head * h.queries + i] : 0.f;
  }
  Rows query, dout;
  Scores s, ds;
  Results out = {};
  const float scale = h.scale * log2_e;
  for (std::int64_t t = begin; t < end; ++t) {
    if (t + 1 < end) {
      fetch(t + 1);
      wait_until_left<1>();
    } else {
      wait_until_left<0>();
    }
    __syncthreads();
    if (t == begin) {
      read_rows(query, base, warp, lane);
      read_rows(dout, base + rows_bytes, warp, lane);
    }
    score(s, query, stage(t), lane);
    score(ds, dout, stage(t) + tile_bytes, lane);
    const bool partly = h.mask.causal || (t + 1) * tile > h.keys;
#pragma unroll
    for (int n = 0; n < tile / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const bool seen =
            !partly || sees(h.mask, mine + lane / 4 + 8 * (i / 2), t * tile + n * 8 + lane % 4 * 2 + i % 2, h.keys);
        ds[n][i] = weight(s[n][i] * scale, lse[i / 2], seen) * (ds[n][i] - delta[i / 2]);
      }
    add_weighted(out, ds, stage(t), lane);
    __syncthreads();
  }
  store(g.dq + g.dq_step.of(head, h.heads), g.dq_step.row, mine, h.queries, out, h.scale, h.scale, lane);
}

__global__ void __launch_bounds__(threads) backward_keys(Heads<Bf16> h, Gradients<Bf16> g) {
  __shared__ float stats[2][2][tile];  // stage; log-sum-exp and delta; query
  const unsigned base = shared_address(shared_memory<unsigned char>());
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const std::int64_t head = blockIdx.y, first = std::int64_t(blockIdx.x) * rows, mine = first + warp * 16;
  const Bf16 *q = h.q + h.q_step.of(head, h.heads), *dout_rows = g.dout + g.dout_step.of(head, h.heads);
  auto stage = [&](std::int64_t t) { return base + 2 * rows_bytes + unsigned(t % 2) * 2 * tile_bytes; };
  auto fetch = [&](std::int64_t t) {
    load<tile>(stage(t), q, h.q_step.row, t * tile, h.queries);
    load<tile>(stage(t) + tile_bytes, dout_rows, g.dout_step.row, t * tile, h.queries);
    commit();
    if (threadIdx.x < tile) {
      const std::int64_t i = t * tile + threadIdx.x;
      stats[t % 2][0][threadIdx.x] = i < h.queries ? g.lse[head * h.queries + i] * log2_e : -INFINITY;
      stats[t % 2][1][threadIdx.x] = i < h.queries ? g.delta[head * h.queries + i] : 0.f;
    }
  };
  // with a mask, no query before the block's first key sees any of its keys
  const std::int64_t begin = h.mask.causal ? first / tile : 0, end = (h.queries + tile - 1) / tile;
  load<rows>(base, h.k + h.k_step.of(head, h.heads), h.k_step.row, first, h.keys);
  load<rows>(base + rows_bytes, h.v + h.v_step.of(head, h.heads), h.v_step.row, first, h.keys);
  if (begin < end) fetch(begin);
  Rows key, value;
  Scores s, ds;
  Results dk = {}, dv = {};
  const float scale = h.scale * log2_e;
  for (std::int64_t t = begin; t < end; ++t) {
    if (t + 1 < end) {
      fetch(t + 1);
      wait_until_left<1>();
    } else {
      wait_until_left<0>();
    }
    __syncthreads();
    if (t == begin) {
      read_rows(key, base, warp, lane);
      read_rows(value, base + rows_bytes, warp, lane);
    }
    score(s, key, stage(t), lane);
    score(ds, value, stage(t) + tile_bytes, lane);
#pragma unroll
    for (int n = 0; n < tile / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = n * 8 + lane % 4 * 2 + i % 2;
        const std::int64_t j = mine + lane / 4 + 8 * (i / 2);
        const bool seen = !h.mask.causal || sees(h.mask, t * tile + column, j, h.keys);
        s[n][i] = weight(s[n][i] * scale, stats[t % 2][0][column], seen);
        ds[n][i] = s[n][i] * (ds[n][i] - stats[t % 2][1][column]);
      }
    add_weighted(dv, s, stage(t) + tile_bytes, lane);
    add_weighted(dk, ds, stage(t), lane);
    __syncthreads();
  }
  store(g.dk + g.dk_step.of(head, h.heads), g.dk_step.row, mine, h.keys, dk, h.scale, h.scale, lane);
  store(g.dv + g.dv_step.of(head, h.heads), g.dv_step.row, mine, h.keys, dv, 1.f, 1.f, lane);
}

bool aligned(const Bf16* p, const HeadSteps& s) {
  return reinterpret_cast<std::uintptr_t>(p) % 16 == 0 && s.item % 8 == 0 && s.head % 8 == 0 && s.row % 8 == 0;
}
bool suits(const Heads<Bf16>& h) {
  return h.d == width && h.dv == width && h.queries > 0 && h.keys > 0 && aligned(h.q, h.q_step) &&
         aligned(h.k, h.k_step) && aligned(h.v, h.v_step);
}
dim3 grid_of(std::int64_t n, const Tensor& t) {
  return dim3(unsigned((n + rows - 1) / rows), unsigned(t.dim(0) * t.dim(1)));
}

}  // namespace

bool attention_on_tensor_cores(const Heads<Bf16>& h, const Tensor& o, const Tensor& lse) {
  const HeadSteps o_step(o);
  if (!suits(h) || !aligned(o.data<Bf16>(), o_step)) return false;
  constexpr int bytes = int(rows_bytes + 4 * tile_bytes);
  run("attention", forward, grid_of(h.queries, o), threads, bytes, o, h, o.data<Bf16>(), o_step, lse.data<float>());
  return true;
}

bool attention_grad_on_tensor_cores(const Heads<Bf16>& h, const Gradients<Bf16>& g, const Tensor& dq) {
  if (!suits(h) || !aligned(g.dout, g.dout_step) || !aligned(g.dq, g.dq_step) || !aligned(g.dk, g.dk_step) ||
      !aligned(g.dv, g.dv_step))
    return false;
  constexpr int bytes = int(2 * rows_bytes + 4 * tile_bytes);
  run("attention_grad", backward_queries, grid_of(h.queries, dq), threads, bytes, dq, h, g);
  run("attention_grad", backward_keys, grid_of(h.keys, dq), threads, bytes, dq, h, g);
  return true;
}

}  // namespace lact::kernels::cuda
