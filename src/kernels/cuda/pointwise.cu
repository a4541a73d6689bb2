// Element-wise kernels: the formulas of functors.hpp over views of any strides, 16 bytes at a time where they lie so.
#include "kernels/pointwise.hpp"

#include "kernels/cuda/rows.cuh"

namespace lact::kernels::cuda {

void launched(const char* kernel) {
  const cudaError_t status = cudaGetLastError();
  check(status == cudaSuccess, "cuda: the kernel {} could not be started: {}", kernel, cudaGetErrorString(status));
}

namespace {

template <class To, class From>
struct Convert {  // operands y, x
  To* y;
  const From* x;
  Places<2> places;
  std::int64_t y_step, x_step;  // along the last dim
  template <int V>
  __device__ void at(std::int64_t i) const {
    const auto o = places.of(i);
    if constexpr (V == 1) {
      scalar::put(y[o.at[0]], scalar::widened(x[o.at[1]]));
    } else {
      Pack<To, V> to;
      if (x_step == 1) {
        const auto from = *reinterpret_cast<const Pack<From, V>*>(x + o.at[1]);
#pragma unroll
        for (int j = 0; j < V; ++j) scalar::put(to.at[j], scalar::widened(from.at[j]));
      } else {
#pragma unroll
        for (int j = 0; j < V; ++j) scalar::put(to.at[j], scalar::widened(x[o.at[1] + j * x_step]));
      }
      *reinterpret_cast<Pack<To, V>*>(y + o.at[0]) = to;
    }
  }
};

template <Unary U, class T>
struct UnaryOf {  // operands y, x
  T* y;
  const T* x;
  Places<2> places;
  std::int64_t x_step;
  Computed<T> c;
  template <int V>
  __device__ void at(std::int64_t i) const {
    Computed<T> v[V];
    take<V>(v, x + places.of(i).at[1], x_step);
#pragma unroll
    for (int j = 0; j < V; ++j) v[j] = scalar::unary<U>(v[j], c);
    give<V>(y + i, v);
  }
};

template <Binary B, class T, class R>
struct BinaryOf {  // operands y, a, b; b may be stored wider than the others
  T* y;
  const T* a;
  const R* b;
  Places<3> places;
  std::int64_t a_step, b_step;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const auto o = places.of(i);
    Computed<T> u[V];
    Computed<R> v[V];
    take<V>(u, a + o.at[1], a_step);
    take<V>(v, b + o.at[2], b_step);
#pragma unroll
    for (int j = 0; j < V; ++j) u[j] = scalar::binary<B>(u[j], Computed<T>(v[j]));
    give<V>(y + i, u);
  }
};

template <class F>
void for_unary(Unary f, F&& go) {
  switch (f) {
    case Unary::copy:
      return;  // copy() takes any types
    case Unary::scale:
      return go(std::integral_constant<Unary, Unary::scale>{});
    case Unary::shift:
      return go(std::integral_constant<Unary, Unary::shift>{});
    case Unary::square:
      return go(std::integral_constant<Unary, Unary::square>{});
    case Unary::sqrt:
      return go(std::integral_constant<Unary, Unary::sqrt>{});
    case Unary::inverse:
      return go(std::integral_constant<Unary, Unary::inverse>{});
    case Unary::exp:
      return go(std::integral_constant<Unary, Unary::exp>{});
    case Unary::log:
      return go(std::integral_constant<Unary, Unary::log>{});
    case Unary::tanh:
      return go(std::integral_constant<Unary, Unary::tanh>{});
    case Unary::erf:
      return go(std::integral_constant<Unary, Unary::erf>{});
    case Unary::sigmoid:
      return go(std::integral_constant<Unary, Unary::sigmoid>{});
    case Unary::silu:
      return go(std::integral_constant<Unary, Unary::silu>{});
    case Unary::softplus:
      return go(std::integral_constant<Unary, Unary::softplus>{});
    case Unary::gelu:
      return go(std::integral_constant<Unary, Unary::gelu>{});
    case Unary::gelu_tanh:
      return go(std::integral_constant<Unary, Unary::gelu_tanh>{});
    case Unary::relu:
      return go(std::integral_constant<Unary, Unary::relu>{});
  }
}

template <class F>
void for_binary(Binary f, F&& go) {
  switch (f) {
    case Binary::add:
      return go(std::integral_constant<Binary, Binary::add>{});
    case Binary::subtract:
      return go(std::integral_constant<Binary, Binary::subtract>{});
    case Binary::multiply:
      return go(std::integral_constant<Binary, Binary::multiply>{});
    case Binary::silu_grad:
      return go(std::integral_constant<Binary, Binary::silu_grad>{});
    case Binary::gelu_grad:
      return go(std::integral_constant<Binary, Binary::gelu_grad>{});
    case Binary::gelu_tanh_grad:
      return go(std::integral_constant<Binary, Binary::gelu_tanh_grad>{});
    case Binary::gelu_tanh_bend:
      return go(std::integral_constant<Binary, Binary::gelu_tanh_bend>{});
    case Binary::relu_grad:
      return go(std::integral_constant<Binary, Binary::relu_grad>{});
  }
}

template <class F>
void for_any(DType t, F&& f) {
  switch (t) {
    case DType::f32:
      return f(float{});
    case DType::bf16:
      return f(Bf16{});
    case DType::f64:
      return f(double{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::u8:
      return f(std::uint8_t{});
  }
}

void copy(const Tensor& y, const Tensor& x) {
  check(x.defined() && x.shape() == y.shape(), "copy: a tensor of shape {} into one of shape {}", text_of(x.shape()),
        text_of(y.shape()));
  if (y.count() == 0) return;
  const Layout<2> l = layout_by_y(y, x);
  const auto last = std::size_t(l.dims - 1);
  for_any(y.dtype(), [&](auto to) {
    for_any(x.dtype(), [&](auto from) {
      using To = decltype(to);
      using From = decltype(from);
      const Convert<To, From> f{y.data<To>(), x.data<From>(), l, l.step[0][last], l.step[1][last]};
      constexpr int V = wide<To> < wide<From> ? wide<To> : wide<From>;
      if (l.step[0][last] == 1 && fits_packs<2>(l, {&y, &x}, V))
        start<V>(y, "copy", y.count(), f);
      else
        start<1>(y, "copy", y.count(), f);
    });
  });
}

template <class T, class R>
void binary_of(Binary f, const Tensor& y, const Tensor& a, const Tensor& b) {
  const Layout<3> l = joint_layout<3>({&y, &a, &b}, y.dims());
  const auto last = std::size_t(l.dims - 1);
  const bool packs = fits_packs<3>(l, {&y, &a, &b}, wide<T>);
  for_binary(f, [&](auto which) {
    const BinaryOf<decltype(which)::value, T, R> g{y.data<T>(), a.data<T>(),     b.data<R>(),
                                                   l,           l.step[1][last], l.step[2][last]};
    if (packs)
      start<wide<T>>(y, "binary", y.count(), g);
    else
      start<1>(y, "binary", y.count(), g);
  });
}

// ---- all operands contiguous and of one shape

template <class T, class R>
struct AddTo {
  T* y;
  const R* x;
  Computed<T> c;
  template <int V>
  __device__ void at(std::int64_t i) const {
    Computed<T> u[V];
    Computed<R> v[V];
    take<V>(u, y + i);
    take<V>(v, x + i);
#pragma unroll
    for (int j = 0; j < V; ++j) u[j] += c * Computed<T>(v[j]);
    give<V>(y + i, u);
  }
};

template <class T>
struct Fill {
  T* y;
  Computed<T> value;
  template <int V>
  __device__ void at(std::int64_t i) const {
    Computed<T> v[V];
#pragma unroll
    for (int j = 0; j < V; ++j) v[j] = value;
    give<V>(y + i, v);
  }
};

// ---- a square matrix and its transpose

constexpr int tile = 32, tile_rows = 8;

// A block writes one tile of 32 x 32 numbers of y: x's own tile plus, transposed in shared memory, the tile of x on the
// other side of the diagonal.
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

const Cuda<kernels::unary> unary = [](Unary f, Tensor y, const Tensor& x, double c) {
  if (f == Unary::copy) return copy(y, x);
  check_same(y, x, "unary");
  check_contiguous(y, "unary");
  for_stored(y, "unary", [&](auto t) {
    using T = decltype(t);
    const Layout<2> l = joint_layout<2>({&y, &x}, y.dims());
    const std::int64_t x_step = l.step[1][std::size_t(l.dims - 1)];
    const bool packs = fits_packs<2>(l, {&y, &x}, wide<T>);
    for_unary(f, [&](auto which) {
      const UnaryOf<decltype(which)::value, T> g{y.data<T>(), x.data<T>(), l, x_step, Computed<T>(c)};
      if (packs)
        start<wide<T>>(y, "unary", y.count(), g);
      else
        start<1>(y, "unary", y.count(), g);
    });
  });
};

const Cuda<kernels::binary> binary = [](Binary f, Tensor y, const Tensor& a, const Tensor& b) {
  check_same(y, a, "binary");
  check(b.defined() && b.shape() == y.shape(), "binary: {} where {} is expected", text_of(b.shape()),
        text_of(y.shape()));
  check_contiguous(y, "binary");
  if (y.count() == 0) return;
  if (y.dtype() == DType::bf16 && b.dtype() == DType::f32) return binary_of<Bf16, float>(f, y, a, b);
  check_same(y, b, "binary");
  for_stored(y, "binary", [&](auto t) { binary_of<decltype(t), decltype(t)>(f, y, a, b); });
};

const Cuda<kernels::add_to> add_to = [](Tensor y, const Tensor& x, double c) {
  check(x.defined() && x.shape() == y.shape(), "add_to: {} where {} is expected", text_of(x.shape()),
        text_of(y.shape()));
  check_contiguous(y, "add_to");
  check_contiguous(x, "add_to");
  if (y.dtype() == DType::f32 && x.dtype() == DType::bf16) {  // a gradient into the sum that the optimizer reads
    return start_flat<8>({&y, &x}, "add_to", AddTo<float, Bf16>{y.data<float>(), x.data<Bf16>(), float(c)});
  }
  check_same(y, x, "add_to");
  for_stored(y, "add_to", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>({&y, &x}, "add_to", AddTo<T, T>{y.data<T>(), x.data<T>(), Computed<T>(c)});
  });
};

const Cuda<kernels::fill> fill = [](Tensor y, double value) {
  check_contiguous(y, "fill");
  for_stored(y, "fill", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>({&y}, "fill", Fill<T>{y.data<T>(), Computed<T>(value)});
  });
};

const Cuda<kernels::add_transposed> add_transposed = [](Tensor y, const Tensor& x) {
  if (y.count() == 0) return;
  const std::int64_t n = y.dim(-1), tiles = (n + tile - 1) / tile, blocks = y.count() / (n * n) * tiles * tiles;
  check(blocks < std::int64_t(1) << 31, "add_transposed: {} matrices of {} x {} are too many", y.count() / (n * n), n,
        n);
  for_stored(y, "add_transposed", [&](auto t) {
    using T = decltype(t);
    run("add_transposed", add_mirrored<T>, dim3(unsigned(blocks)), dim3(tile, tile_rows), 0, y, y.data<T>(),
        x.data<T>(), n);
  });
};

}  // namespace lact::kernels::cuda
