// What fast weights that learn in mini-batches of tokens need beside products.
#include "kernels/mini_batch.hpp"

#include "kernels/cuda/rows.cuh"

namespace lact::kernels::cuda {
namespace {

// A row of z with what belongs to it, and the sums that both kernels take over it.
template <class T, int V>
struct Reconstruction {
  View<T> z, target;
  const T *w, *b;  // of item row / per_item
  std::int64_t n, per_item;
  T eps;

  struct Row {
    const T *z, *target, *w, *b;
    std::int64_t n;
    T mean, r;  // r = 1 / sqrt(var + eps)
    __device__ T u(std::int64_t i) const { return (z[i] - mean) * r; }
    __device__ T a(std::int64_t i) const { return w[i] * (w[i] * u(i) + b[i] - target[i]); }
  };
  template <int W, class F>
  __device__ static T mean_of(int lane, std::int64_t n, F f) {
    T total = 0;
    each_pack<V, W>(lane, n, [&](std::int64_t i) {
#pragma unroll
      for (int j = 0; j < V; ++j) total += f(i + j);
    });
    return sum<W>(total) / T(n);
  }
  template <int W>
  __device__ Row row(std::int64_t at, int lane) const {
    const std::int64_t item = at / per_item;
    Row x{z[at], target[at], w + item * n, b + item * n, n, 0, 0};
    x.mean = mean_of<W>(lane, n, [&](std::int64_t i) { return x.z[i]; });
    const T var = mean_of<W>(lane, n, [&](std::int64_t i) { return (x.z[i] - x.mean) * (x.z[i] - x.mean); });
    x.r = T(1) / scalar::sqrt(var + eps);
    return x;
  }
};

template <class T, int V>
struct ReconstructionGradOf {
  View<T> dz;
  Reconstruction<T, V> of;
  template <int W>
  __device__ void at(std::int64_t at, int lane, bool mine) const {
    using R = Reconstruction<T, V>;
    const auto x = of.template row<W>(at, lane);
    const T a_mean = R::template mean_of<W>(lane, x.n, [&](std::int64_t i) { return x.a(i); });
    const T au = R::template mean_of<W>(lane, x.n, [&](std::int64_t i) { return x.a(i) * x.u(i); });
    if (!mine) return;
    T* to = dz[at];
    each_pack<V, W>(lane, x.n, [&](std::int64_t i) {
#pragma unroll
      for (int j = 0; j < V; ++j) to[i + j] = x.r * (x.a(i + j) - a_mean - x.u(i + j) * au);
    });
  }
};

template <class T, int V>
struct ReconstructionGradGradOf {
  View<T> z_bar, target_bar, w_rows, dz_bar;
  Reconstruction<T, V> of;
  template <int W>
  __device__ void at(std::int64_t at, int lane, bool mine) const {
    using R = Reconstruction<T, V>;
    const auto x = of.template row<W>(at, lane);
    const T* c = dz_bar[at];
    auto mean = [&](auto f) { return R::template mean_of<W>(lane, x.n, f); };
    const T a_mean = mean([&](std::int64_t i) { return x.a(i); }), c_mean = mean([&](std::int64_t i) { return c[i]; });
    const T au = mean([&](std::int64_t i) { return x.a(i) * x.u(i); });
    const T cu = mean([&](std::int64_t i) { return c[i] * x.u(i); });
    const T ca = mean([&](std::int64_t i) { return c[i] * x.a(i); });
    const T c_dz = x.r * (ca - c_mean * a_mean - cu * au);  // mean(c dz)
    auto e = [&](std::int64_t i) { return x.r * (c[i] - c_mean - x.u(i) * cu); };
    auto u_bar = [&](std::int64_t i) { return x.w[i] * x.w[i] * e(i) - x.r * (c[i] * au + x.a(i) * cu); };
    const T bar_mean = mean([&](std::int64_t i) { return u_bar(i); });
    const T bar_u = mean([&](std::int64_t i) { return u_bar(i) * x.u(i); });
    if (!mine) return;
    T *to = z_bar[at], *to_target = target_bar[at], *to_w = w_rows[at];
    each_pack<V, W>(lane, x.n, [&](std::int64_t first) {
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const std::int64_t i = first + j;
        to[i] = x.r * (u_bar(i) - bar_mean - x.u(i) * (bar_u + c_dz));
        to_w[i] = e(i) * (T(2) * x.w[i] * x.u(i) + x.b[i] - x.target[i]);
        to_target[i] = -x.w[i] * e(i);
      }
    });
  }
};

}  // namespace

const Cuda<kernels::reconstruction_grad> reconstruction_grad = [](const ReconstructionGrad& t) {
  for_type(t.dz, "reconstruction_grad", [&](auto zero) {
    using T = decltype(zero);
    start_wide_rows<T>({&t.dz, &t.z, &t.target, &t.w, &t.b}, "reconstruction_grad", [&](auto width) {
      constexpr int V = decltype(width)::value;
      return ReconstructionGradOf<T, V>{
          View<T>(t.dz),
          {View<T>(t.z), View<T>(t.target), t.w.data<T>(), t.b.data<T>(), t.z.dim(2), t.z.dim(1), T(t.eps)}};
    });
  });
};

const Cuda<kernels::reconstruction_grad_grad> reconstruction_grad_grad = [](const ReconstructionGradGrad& t) {
  for_type(t.z_bar, "reconstruction_grad_grad", [&](auto zero) {
    using T = decltype(zero);
    start_wide_rows<T>({&t.z_bar, &t.target_bar, &t.w_rows, &t.dz_bar, &t.z, &t.target, &t.w, &t.b},
                       "reconstruction_grad_grad", [&](auto width) {
                         constexpr int V = decltype(width)::value;
                         return ReconstructionGradGradOf<T, V>{View<T>(t.z_bar),
                                                               View<T>(t.target_bar),
                                                               View<T>(t.w_rows),
                                                               View<T>(t.dz_bar),
                                                               {View<T>(t.z), View<T>(t.target), t.w.data<T>(),
                                                                t.b.data<T>(), t.z.dim(2), t.z.dim(1), T(t.eps)}};
                       });
  });
};

}  // namespace lact::kernels::cuda
