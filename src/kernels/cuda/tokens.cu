// Rows of a table and rotary positions.
#include "kernels/tokens.hpp"

#include "kernels/cuda/launch.cuh"
#include "kernels/pointwise.hpp"
#include "kernels/rotation.hpp"

namespace lact::kernels::cuda {
namespace {

template <class T>
struct Embedding {
  T* y;
  const T* table;
  const std::int32_t* index;
  std::int64_t n, d;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t row = index[i / d];
    if (row < n)
      y[i] = row < 0 ? T(0) : table[row * d + i % d];
    else
      y[i] = T(NAN);
  }
};

// Chains the tokens of each index: links [2, rows] are for each token the next one with its index (0: none), and
// whether there is one before.
struct Chain {
  std::int32_t* links;
  const std::int32_t* index;
  std::int64_t rows;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    const std::int32_t own = index[row];
    std::int64_t next = row + 1 + lane;
    while (next < rows && index[next] != own) next += W;
    const std::int64_t left = most<W>(next < rows ? rows - next : std::int64_t(0));
    if (!mine || lane != 0 || left == 0) return;
    links[row] = std::int32_t(rows - left);
    links[rows + rows - left] = 1;
  }
};

// The first token of each index sums the rows of its chain, in their order: the same bits in every run.
template <class T>
struct EmbeddingGrad {
  T* dtable;
  const T* dy;
  const std::int32_t *index, *links;
  std::int64_t rows, n, d;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    const std::int32_t own = index[row];
    if (!mine || own < 0 || own >= n || links[rows + row] != 0) return;
    for (std::int64_t c = lane; c < d; c += W) {
      T total = dy[row * d + c];
      for (std::int64_t i = links[row]; i != 0; i = links[i]) total += dy[i * d + c];
      dtable[own * d + c] = total;
    }
  }
};

struct Within {
  std::int32_t* y;
  const std::int32_t* x;
  std::int64_t first, n;
  template <int V>
  __device__ void at(std::int64_t i) const {
    y[i] = x[i] >= first && x[i] < first + n ? std::int32_t(x[i] - first) : -1;
  }
};

struct PositionOf {
  std::int32_t* y;
  std::int64_t first, period;
  template <int V>
  __device__ void at(std::int64_t i) const {
    y[i] = std::int32_t((first + i) % period);
  }
};

template <class T>
struct Turn {
  T* y;
  const T* x;
  const std::int32_t* places;
  Places<1> rows;  // of x
  std::int64_t tokens, d;
  Rope rope;
  bool back;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t half = d / 2, row = i / half, pair = i % half;
    const Rotation r = rotation(speed_of(rope, pair, d), places[row % tokens], back);
    const Channels c = channels_of(rope, pair, d);
    const T* from = x + rows.of(row).at[0];
    using C = Computed<T>;
    const C u = scalar::widened(from[c.a]), v = scalar::widened(from[c.b]), cos = C(r.cos), sin = C(r.sin);
    scalar::put(y[row * d + c.a], u * cos - v * sin);
    scalar::put(y[row * d + c.b], v * cos + u * sin);
  }
};

}  // namespace

const Cuda<kernels::embedding> embedding = [](Tensor y, const Tensor& table, const Tensor& index) {
  for_type(y, "embedding", [&](auto t) {
    using T = decltype(t);
    start<1>(y, "embedding", y.count(),
             Embedding<T>{y.data<T>(), table.data<T>(), index.data<std::int32_t>(), table.dim(0), y.dim(1)});
  });
};

const Cuda<kernels::embedding_grad> embedding_grad = [](Tensor dtable, const Tensor& dy, const Tensor& index) {
  Cuda<kernels::fill>::as_part(dtable, 0.0);
  const std::int64_t rows = dy.dim(0);
  const Tensor links = Tensor::zeros(dy.device(), {2, rows}, DType::i32);
  start_rows(dtable, "embedding_grad", rows, rows, 1,
             Chain{links.data<std::int32_t>(), index.data<std::int32_t>(), rows});
  for_type(dtable, "embedding_grad", [&](auto t) {
    using T = decltype(t);
    start_rows(dtable, "embedding_grad", dy.dim(0), dy.dim(1), 1,
               EmbeddingGrad<T>{dtable.data<T>(), dy.data<T>(), index.data<std::int32_t>(), links.data<std::int32_t>(),
                                rows, dtable.dim(0), dy.dim(1)});
  });
};

const Cuda<kernels::within> within = [](Tensor y, const Tensor& x, std::int64_t first, std::int64_t n) {
  start<1>(y, "within", y.count(), Within{y.data<std::int32_t>(), x.data<std::int32_t>(), first, n});
};

const Cuda<kernels::positions> positions = [](Tensor y, std::int64_t first, std::int64_t period) {
  start<1>(y, "positions", y.count(), PositionOf{y.data<std::int32_t>(), first, period});
};

const Cuda<kernels::turn> turn = [](Tensor y, const Tensor& x, const Tensor& places, Rope rope, bool back) {
  for_stored(y, "rope", [&](auto t) {
    using T = decltype(t);
    start<1>(y, "rope", y.count() / 2,
             Turn<T>{y.data<T>(), x.data<T>(), places.data<std::int32_t>(), layout_of(x, 3), x.dim(2), x.dim(3), rope,
                     back});
  });
};

}  // namespace lact::kernels::cuda
