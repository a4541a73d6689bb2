// Softmax attention. bf16 goes to cuDNN where that is installed and supports the shape, else to
// attention_tensor_cores.cu where the heads have 64 numbers. What remains is computed here, for any head width and
// type: a warp per query (in the gradients of keys and values per key), tiles of 32 keys in shared memory, online
// softmax.
#include "kernels/attention.hpp"

#include "kernels/attention_checks.hpp"
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/cudnn.hpp"

namespace lact::kernels::cuda {
namespace {

constexpr int warps = 8, tile = 32;
constexpr std::int64_t widest = 256;  // of a head: eight numbers per thread
constexpr int parts = int(widest) / 32;

template <class A>
__device__ A exp_or_zero(A x, A top) {  // a query that saw nothing yet has top = -infinity
  return top == -A(INFINITY) ? A(0) : scalar::exp(x - top);
}

// Rows [first, first + tile) of a head into shared memory, columns next to each other in one bank row each.
template <class T, class A>
__device__ void load_tile(A* to, const T* from, std::int64_t step, std::int64_t first, std::int64_t rows, int d) {
  for (int i = int(threadIdx.x); i < tile * d; i += warps * 32) {
    const int row = i / d, column = i % d;
    to[row * (d + 1) + column] = first + row < rows ? scalar::widened(from[(first + row) * step + column]) : A(0);
  }
}

// Numbers lane, lane + 32, ... of a row.
template <class T, class A>
__device__ void load_row(A (&to)[parts], const T* row, int d, int lane) {
#pragma unroll
  for (int c = 0; c < parts; ++c) to[c] = lane + 32 * c < d ? scalar::widened(row[lane + 32 * c]) : A(0);
}
template <class T, class A>
__device__ void store_row(T* row, const A (&from)[parts], A factor, int d, int lane) {
#pragma unroll
  for (int c = 0; c < parts; ++c)
    if (lane + 32 * c < d) scalar::put(row[lane + 32 * c], from[c] * factor);
}
template <class A>
__device__ A dot(const A* a, const A* b, int d) {
  A total = 0;
  for (int c = 0; c < d; ++c) total += a[c] * b[c];
  return total;
}
// y += sum over j of weight of lane j times row j of the tile.
template <class A>
__device__ void add_rows(A (&y)[parts], A weight, const A* rows, int d, int lane) {
  for (int j = 0; j < tile; ++j) {
    const A w = __shfl_sync(0xffffffffu, weight, j);
#pragma unroll
    for (int c = 0; c < parts; ++c)
      if (lane + 32 * c < d) y[c] += w * rows[j * (d + 1) + lane + 32 * c];
  }
}

template <class T>
__global__ void __launch_bounds__(warps * 32) forward(Heads<T> h, T* o, HeadSteps o_step, Computed<T>* lse) {
  using A = Computed<T>;
  A* keys = shared_memory<A>();
  A* values = keys + tile * (h.d + 1);
  A* queries = values + tile * (h.dv + 1);  // one row per warp
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const std::int64_t i = std::int64_t(blockIdx.x) * warps + warp, head = blockIdx.y;
  const bool mine = i < h.queries;
  const T *k = h.k + h.k_step.of(head, h.heads), *v = h.v + h.v_step.of(head, h.heads);
  A* query = queries + warp * (h.d + 1);
  for (int c = lane; c < h.d; c += 32)
    query[c] = mine ? scalar::widened(h.q[h.q_step.of(head, h.heads) + i * h.q_step.row + c]) : A(0);
  const Range seen = mine ? visible(h.mask, i, h.keys) : Range{0, 0};
  const Range all = h.seen_by(std::int64_t(blockIdx.x) * warps, warps);
  A top = -A(INFINITY), total = 0, out[parts] = {};
  for (std::int64_t first = all.begin / tile * tile; first < all.end; first += tile) {
    __syncthreads();
    load_tile(keys, k, h.k_step.row, first, h.keys, h.d);
    load_tile(values, v, h.v_step.row, first, h.keys, h.dv);
    __syncthreads();
    const std::int64_t j = first + lane;
    const bool sees = j >= seen.begin && j < seen.end;
    const A score = sees ? h.scale * dot(query, keys + lane * (h.d + 1), h.d) : -A(INFINITY);
    const A higher = most<32>(score > top ? score : top);
    const A kept = exp_or_zero(top, higher), p = sees ? exp_or_zero(score, higher) : A(0);
    total = total * kept + sum<32>(p);
#pragma unroll
    for (int c = 0; c < parts; ++c) out[c] *= kept;
    add_rows(out, p, values, h.dv, lane);
    top = higher;
  }
  if (!mine) return;
  store_row(o + o_step.of(head, h.heads) + i * o_step.row, out, scalar::inverse_or_zero(total), h.dv, lane);
  if (lane == 0) lse[head * h.queries + i] = total == A(0) ? -A(INFINITY) : top + scalar::log(total);
}

// delta = sum of dout o per query.
template <class T>
struct Delta {
  Computed<T>* y;
  const T *dout, *o;
  HeadSteps dout_step, o_step;
  std::int64_t heads, queries;
  int dv;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    const std::int64_t head = row / queries, i = row % queries;
    const T *a = dout + dout_step.of(head, heads) + i * dout_step.row, *b = o + o_step.of(head, heads) + i * o_step.row;
    Computed<T> total = 0;
    for (int c = lane; c < dv; c += W) total += scalar::widened(a[c]) * scalar::widened(b[c]);
    total = sum<W>(total);
    if (mine && lane == 0) y[row] = total;
  }
};

template <class T>
__global__ void __launch_bounds__(warps * 32) backward_queries(Heads<T> h, Gradients<T> g) {
  using A = Computed<T>;
  A* keys = shared_memory<A>();
  A* values = keys + tile * (h.d + 1);
  A* queries = values + tile * (h.dv + 1);
  A* douts = queries + warps * (h.d + 1);
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const std::int64_t i = std::int64_t(blockIdx.x) * warps + warp, head = blockIdx.y;
  const bool mine = i < h.queries;
  const T *k = h.k + h.k_step.of(head, h.heads), *v = h.v + h.v_step.of(head, h.heads);
  A *query = queries + warp * (h.d + 1), *dout = douts + warp * (h.dv + 1);
  for (int c = lane; c < h.d; c += 32)
    query[c] = mine ? scalar::widened(h.q[h.q_step.of(head, h.heads) + i * h.q_step.row + c]) : A(0);
  for (int c = lane; c < h.dv; c += 32)
    dout[c] = mine ? scalar::widened(g.dout[g.dout_step.of(head, h.heads) + i * g.dout_step.row + c]) : A(0);
  const Range seen = mine ? visible(h.mask, i, h.keys) : Range{0, 0};
  const Range all = h.seen_by(std::int64_t(blockIdx.x) * warps, warps);
  const A lse = mine ? g.lse[head * h.queries + i] : A(0), delta = mine ? g.delta[head * h.queries + i] : A(0);
  A out[parts] = {};
  for (std::int64_t first = all.begin / tile * tile; first < all.end; first += tile) {
    __syncthreads();
    load_tile(keys, k, h.k_step.row, first, h.keys, h.d);
    load_tile(values, v, h.v_step.row, first, h.keys, h.dv);
    __syncthreads();
    const std::int64_t j = first + lane;
    A ds = 0;
    if (j >= seen.begin && j < seen.end) {
      const A p = scalar::exp(h.scale * dot(query, keys + lane * (h.d + 1), h.d) - lse);
      ds = p * (dot(dout, values + lane * (h.dv + 1), h.dv) - delta);
    }
    __syncwarp();
    add_rows(out, ds, keys, h.d, lane);
  }
  if (mine) store_row(g.dq + g.dq_step.of(head, h.heads) + i * g.dq_step.row, out, h.scale, h.d, lane);
}

template <class T>
__global__ void __launch_bounds__(warps * 32) backward_keys(Heads<T> h, Gradients<T> g) {
  using A = Computed<T>;
  A* queries = shared_memory<A>();
  A* douts = queries + tile * (h.d + 1);
  A* keys = douts + tile * (h.dv + 1);
  A* values = keys + warps * (h.d + 1);
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const std::int64_t j = std::int64_t(blockIdx.x) * warps + warp, head = blockIdx.y;
  const bool mine = j < h.keys;
  const T *q = h.q + h.q_step.of(head, h.heads), *dout = g.dout + g.dout_step.of(head, h.heads);
  A *key = keys + warp * (h.d + 1), *value = values + warp * (h.dv + 1);
  for (int c = lane; c < h.d; c += 32)
    key[c] = mine ? scalar::widened(h.k[h.k_step.of(head, h.heads) + j * h.k_step.row + c]) : A(0);
  for (int c = lane; c < h.dv; c += 32)
    value[c] = mine ? scalar::widened(h.v[h.v_step.of(head, h.heads) + j * h.v_step.row + c]) : A(0);
  A dk[parts] = {}, dv[parts] = {};
  // with a mask, no query before the block's first key sees any of its keys
  const std::int64_t from = h.mask.causal ? std::int64_t(blockIdx.x) * warps / tile * tile : 0;
  for (std::int64_t first = from; first < h.queries; first += tile) {
    __syncthreads();
    load_tile(queries, q, h.q_step.row, first, h.queries, h.d);
    load_tile(douts, dout, g.dout_step.row, first, h.queries, h.dv);
    __syncthreads();
    const std::int64_t i = first + lane;
    A p = 0, ds = 0;
    if (mine && i < h.queries) {
      const Range seen = visible(h.mask, i, h.keys);
      if (j >= seen.begin && j < seen.end) {
        p = scalar::exp(h.scale * dot(key, queries + lane * (h.d + 1), h.d) - g.lse[head * h.queries + i]);
        ds = p * (dot(value, douts + lane * (h.dv + 1), h.dv) - g.delta[head * h.queries + i]);
      }
    }
    __syncwarp();
    add_rows(dk, ds, queries, h.d, lane);
    add_rows(dv, p, douts, h.dv, lane);
  }
  if (!mine) return;
  store_row(g.dk + g.dk_step.of(head, h.heads) + j * g.dk_step.row, dk, h.scale, h.d, lane);
  store_row(g.dv + g.dv_step.of(head, h.heads) + j * g.dv_step.row, dv, A(1), h.dv, lane);
}

using Sizes = AttentionSizes;

void check_limits(const Sizes& s) {
  check(s.batch * s.heads < 65536, "attention on a GPU takes at most 65535 heads at once, not {}", s.batch * s.heads);
  check(s.d <= widest && s.dv <= widest, "attention on a GPU takes heads of at most {} numbers, not {}", widest,
        std::max(s.d, s.dv));
}

template <class T>
Heads<T> heads_of(const Sizes& s, const Tensor& q, const Tensor& k, const Tensor& v, double scale, Mask mask) {
  return {q.data<T>(), k.data<T>(), v.data<T>(), HeadSteps(q), HeadSteps(k),       HeadSteps(v), s.heads,
          s.queries,   s.keys,      int(s.d),    int(s.dv),    Computed<T>(scale), mask};
}

}  // namespace

const Cuda<kernels::attention> attention = [](Tensor o, Tensor lse, const Tensor& q, const Tensor& k, const Tensor& v,
                                              double scale, Mask mask) {
  const Sizes s = attention_sizes(o, lse, q, k, v);
  check_limits(s);
  if (o.count() == 0) return;
  for_stored(q, "attention", [&](auto t) {
    using T = decltype(t);
    using A = Computed<T>;
    const Heads<T> h = heads_of<T>(s, q, k, v, scale, mask);
    if constexpr (std::is_same_v<T, Bf16>) {
      if (cudnn::attention(o, lse, q, k, v, scale, mask) || attention_on_tensor_cores(h, o, lse)) return;
    }
    const std::size_t bytes = std::size_t(tile * (s.d + s.dv + 2) + warps * (s.d + 1)) * sizeof(A);
    const dim3 grid(unsigned((s.queries + warps - 1) / warps), unsigned(s.batch * s.heads));
    run("attention", forward<T>, grid, warps * 32, bytes, o, h, o.data<T>(), HeadSteps(o), lse.data<A>());
  });
};

const Cuda<kernels::attention_grad> attention_grad = [](const AttentionGrad& t) {
  const Sizes s = attention_grad_sizes(t);
  check_limits(s);
  for_stored(t.q, "attention_grad", [&](auto zero) {
    using T = decltype(zero);
    using A = Computed<T>;
    if constexpr (std::is_same_v<T, Bf16>) {
      if (cudnn::attention_grad(t)) return;
    }
    const Heads<T> h = heads_of<T>(s, t.q, t.k, t.v, t.scale, t.mask);
    const Tensor delta = like(t.lse);
    start_rows(delta, "attention_grad", delta.count(), s.dv, 1,
               Delta<T>{delta.data<A>(), t.dout.data<T>(), t.o.data<T>(), HeadSteps(t.dout), HeadSteps(t.o), s.heads,
                        s.queries, int(s.dv)});
    const Gradients<T> g{t.dout.data<T>(), t.lse.data<A>(),   delta.data<A>(), t.dq.data<T>(),  t.dk.data<T>(),
                         t.dv.data<T>(),   HeadSteps(t.dout), HeadSteps(t.dq), HeadSteps(t.dk), HeadSteps(t.dv)};
    if constexpr (std::is_same_v<T, Bf16>) {
      if (attention_grad_on_tensor_cores(h, g, t.dq)) return;
    }
    const std::size_t bytes = std::size_t((tile + warps) * (s.d + s.dv + 2)) * sizeof(A);
    auto grid = [&](std::int64_t n) { return dim3(unsigned((n + warps - 1) / warps), unsigned(s.batch * s.heads)); };
    if (t.dq.count() > 0) run("attention_grad", backward_queries<T>, grid(s.queries), warps * 32, bytes, t.dq, h, g);
    if (t.dk.count() > 0 || t.dv.count() > 0)
      run("attention_grad", backward_keys<T>, grid(s.keys), warps * 32, bytes, t.dq, h, g);
  });
};

}  // namespace lact::kernels::cuda
