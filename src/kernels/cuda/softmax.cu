// Rows of scores: softmax, its gradient, log-sum-exp, and picking one number per row.
#include "kernels/softmax.hpp"

#include "kernels/attention_checks.hpp"
#include "kernels/cuda/launch.cuh"

namespace lact::kernels::cuda {
namespace {

template <class A>
__device__ A lowest() {
  return -A(INFINITY);
}

template <class T>
struct Softmax {
  T* y;
  const T* x;
  std::int64_t n, queries;
  T scale;
  Mask mask;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    const Range keys = visible(mask, row % queries, n);
    const T* from = x + row * n;
    T top = lowest<T>(), total = 0;
    for (std::int64_t i = keys.begin + lane; i < keys.end; i += W) {
      const T v = from[i] * scale;
      top = v > top || v != v ? v : top;
    }
    top = most<W>(top);
    for (std::int64_t i = keys.begin + lane; i < keys.end; i += W) total += scalar::exp(from[i] * scale - top);
    total = sum<W>(total);
    if (!mine) return;
    const T s = T(1) / total;
    for (std::int64_t i = lane; i < n; i += W)
      y[row * n + i] = i >= keys.begin && i < keys.end ? scalar::exp(from[i] * scale - top) * s : T(0);
  }
};

template <class T>
struct SoftmaxGrad {
  T* dx;
  const T *dy, *y;
  std::int64_t n;
  T scale;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    T dot = 0;
    for (std::int64_t i = lane; i < n; i += W) dot += dy[row * n + i] * y[row * n + i];
    dot = sum<W>(dot);
    if (!mine) return;
    for (std::int64_t i = lane; i < n; i += W) dx[row * n + i] = scale * y[row * n + i] * (dy[row * n + i] - dot);
  }
};

template <class T>
struct LogSumExp {
  T* y;
  const T* x;
  std::int64_t n;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    T top = lowest<T>(), total = 0;
    for (std::int64_t i = lane; i < n; i += W) top = x[row * n + i] > top ? x[row * n + i] : top;
    top = most<W>(top);
    if (top != lowest<T>())
      for (std::int64_t i = lane; i < n; i += W) total += scalar::exp(x[row * n + i] - top);
    total = sum<W>(total);
    if (mine && lane == 0) y[row] = top == lowest<T>() ? top : top + scalar::log(total);
  }
};

template <class T>
struct RowMax {
  T* y;
  const T* x;
  std::int64_t n;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    T top = lowest<T>();
    for (std::int64_t i = lane; i < n; i += W) top = x[row * n + i] > top ? x[row * n + i] : top;
    top = most<W>(top);
    if (mine && lane == 0) y[row] = top;
  }
};

template <class T>
struct Pick {
  T* y;
  const T* x;
  const std::int32_t* index;
  std::int64_t n;
  template <int V>
  __device__ void at(std::int64_t row) const {
    const std::int64_t j = index[row];
    y[row] = j < 0 ? T(0) : (j < n ? x[row * n + j] : T(NAN));
  }
};
template <class T>
struct Place {
  T* dx;
  const T* dy;
  const std::int32_t* index;
  std::int64_t n;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t row = i / n, j = index[row];
    dx[i] = j == i % n ? dy[row] : T(0);
  }
};
template <class T>
struct HasIndex {
  T* y;
  const std::int32_t* index;
  template <int V>
  __device__ void at(std::int64_t i) const {
    y[i] = T(index[i] >= 0 ? 1 : 0);
  }
};

}  // namespace

const Cuda<kernels::softmax> softmax = [](Tensor y, const Tensor& x, double scale, Mask mask) {
  check_softmax(y, x, mask);
  if (y.count() == 0) return;
  const std::int64_t n = x.dim(-1), queries = x.dims() >= 2 ? x.dim(-2) : 1;
  for_type(y, "softmax", [&](auto t) {
    using T = decltype(t);
    start_rows(y, "softmax", x.count() / n, n, 1, Softmax<T>{y.data<T>(), x.data<T>(), n, queries, T(scale), mask});
  });
};

const Cuda<kernels::softmax_grad> softmax_grad = [](Tensor dx, const Tensor& dy, const Tensor& y, double scale) {
  check_flat({&dx, &dy, &y}, "softmax_grad");
  if (y.count() == 0) return;
  const std::int64_t n = y.dim(-1);
  for_type(y, "softmax_grad", [&](auto t) {
    using T = decltype(t);
    start_rows(dx, "softmax_grad", y.count() / n, n, 1,
               SoftmaxGrad<T>{dx.data<T>(), dy.data<T>(), y.data<T>(), n, T(scale)});
  });
};

const Cuda<kernels::log_sum_exp> log_sum_exp = [](Tensor y, const Tensor& x) {
  check_log_sum_exp(y, x);
  for_type(y, "log_sum_exp", [&](auto t) {
    using T = decltype(t);
    start_rows(y, "log_sum_exp", x.dim(0), x.dim(1), 1, LogSumExp<T>{y.data<T>(), x.data<T>(), x.dim(1)});
  });
};

const Cuda<kernels::row_max> row_max = [](Tensor y, const Tensor& x) {
  check_log_sum_exp(y, x);
  for_type(y, "row_max", [&](auto t) {
    using T = decltype(t);
    start_rows(y, "row_max", x.dim(0), x.dim(1), 1, RowMax<T>{y.data<T>(), x.data<T>(), x.dim(1)});
  });
};

const Cuda<kernels::pick> pick = [](Tensor y, const Tensor& x, const Tensor& index) {
  check_picks(y, x, index, "pick");
  for_type(y, "pick", [&](auto t) {
    using T = decltype(t);
    start<1>(y, "pick", y.count(), Pick<T>{y.data<T>(), x.data<T>(), index.data<std::int32_t>(), x.dim(1)});
  });
};

const Cuda<kernels::place> place = [](Tensor dx, const Tensor& dy, const Tensor& index) {
  check_picks(dy, dx, index, "place");
  for_type(dx, "place", [&](auto t) {
    using T = decltype(t);
    start<1>(dx, "place", dx.count(), Place<T>{dx.data<T>(), dy.data<T>(), index.data<std::int32_t>(), dx.dim(1)});
  });
};

const Cuda<kernels::has_index> has_index = [](Tensor y, const Tensor& index) {
  check_has_index(y, index);
  for_type(y, "has_index", [&](auto t) {
    using T = decltype(t);
    start<1>(y, "has_index", y.count(), HasIndex<T>{y.data<T>(), index.data<std::int32_t>()});
  });
};

}  // namespace lact::kernels::cuda
