// silu of rows, divided by the length of the row where a norm is asked for.
#include "kernels/cuda/rows.cuh"
#include "kernels/norms.hpp"

namespace lact::kernels::cuda {
namespace {

template <class T, int V>
struct SiluRows {
  using A = Computed<T>;
  View<T> y, x;
  A* norm;  // per row, or null
  std::int64_t n;
  A eps;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    const T* from = x[row];
    A s = 1;
    if (norm != nullptr) {
      A squares = 0;
      each_pack<V, W>(lane, n, [&](std::int64_t i) {
        A v[V];
        take<V>(v, from + i);
#pragma unroll
        for (int j = 0; j < V; ++j) {
          const A u = scalar::silu(v[j]);
          squares += u * u;
        }
      });
      const A length = scalar::sqrt(sum<W>(squares));
      s = scalar::inverse_or_zero(length + eps);
      if (mine && lane == 0) norm[row] = length;
    }
    if (!mine) return;
    T* to = y[row];
    each_pack<V, W>(lane, n, [&](std::int64_t i) {
      A v[V];
      take<V>(v, from + i);
#pragma unroll
      for (int j = 0; j < V; ++j) v[j] = scalar::silu(v[j]) * s;
      give<V>(to + i, v);
    });
  }
};

// With u = silu(x) and s = 1 / (norm + eps): dx = (dy s - u sum(dy u) s^2 / norm) silu'(x).
template <class T, int V>
struct SiluRowsGrad {
  using A = Computed<T>;
  View<T> dx, dy, x;
  const A* norm;
  std::int64_t n;
  A eps;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    const T *from = x[row], *back = dy[row];
    A s = 1, c = 0;
    if (norm != nullptr) {
      A dot = 0;
      each_pack<V, W>(lane, n, [&](std::int64_t i) {
        A v[V], g[V];
        take<V>(v, from + i);
        take<V>(g, back + i);
#pragma unroll
        for (int j = 0; j < V; ++j) dot += g[j] * scalar::silu(v[j]);
      });
      s = scalar::inverse_or_zero(norm[row] + eps);
      c = sum<W>(dot) * scalar::inverse_or_zero(norm[row]) * s * s;
    }
    if (!mine) return;
    T* to = dx[row];
    each_pack<V, W>(lane, n, [&](std::int64_t i) {
      A v[V], g[V];
      take<V>(v, from + i);
      take<V>(g, back + i);
#pragma unroll
      for (int j = 0; j < V; ++j) g[j] = (g[j] * s - scalar::silu(v[j]) * c) * scalar::silu_slope(v[j]);
      give<V>(to + i, g);
    });
  }
};

}  // namespace

const Cuda<kernels::silu_rows> silu_rows = [](Tensor y, Tensor norm, const Tensor& x, double eps) {
  check_rows(x, x, "silu_rows");
  check_rows(y, x, "silu_rows");
  if (norm.defined()) check_per_row(norm, x, "silu_rows");
  for_stored(y, "silu_rows", [&](auto t) {
    using T = decltype(t);
    using A = Computed<T>;
    start_wide_rows<T>({&y, &x}, "silu_rows", [&](auto width) {
      return SiluRows<T, decltype(width)::value>{View<T>(y), View<T>(x), norm.defined() ? norm.data<A>() : nullptr,
                                                 x.dim(-1), A(eps)};
    });
  });
};

const Cuda<kernels::silu_rows_grad> silu_rows_grad = [](Tensor dx, const Tensor& dy, const Tensor& x,
                                                        const Tensor& norm, double eps) {
  for (const Tensor& t : {dx, dy, x}) check_rows(t, x, "silu_rows_grad");
  if (norm.defined()) check_per_row(norm, x, "silu_rows_grad");
  for_stored(x, "silu_rows_grad", [&](auto t) {
    using T = decltype(t);
    using A = Computed<T>;
    start_wide_rows<T>({&dx, &dy, &x}, "silu_rows_grad", [&](auto width) {
      return SiluRowsGrad<T, decltype(width)::value>{
          View<T>(dx), View<T>(dy), View<T>(x), norm.defined() ? norm.data<A>() : nullptr, x.dim(-1), A(eps)};
    });
  });
};

}  // namespace lact::kernels::cuda
