// The gradient of a reconstruction behind a layer norm, and its adjoint (mini_batch.hpp), for a row of n numbers.
#pragma once
#include "kernels/cpu/loops/lanes.hpp"
#include "kernels/cpu/loops/loops.hpp"

namespace lact::kernels {
namespace {

template <class T>
struct RowStatistics {
  T mean, r;  // r = 1 / sqrt(var + eps)
};
template <class T>
LACT_BOTH RowStatistics<T> statistics_of(const T* z, Int n, T eps, T* scratch) {
  const T mean = sum_lanes(n, z, [](auto v) { return v; }) / T(n);
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) scratch[i] = z[i] - mean;
  return {mean, T(1) / scalar::sqrt(sum_lanes(n, scratch, [](auto v) { return v * v; }) / T(n) + eps)};
}
template <class T>
LACT_BOTH T mean_of(const T* x, Int n) {
  return sum_lanes(n, x, [](auto v) { return v; }) / T(n);
}
// mean(x u) with u = (z - mean) r; zeros of a part of x give 0.
template <class T>
LACT_BOTH T mean_with_u(const T* x, const T* z, RowStatistics<T> s, Int n) {
  const T mean = s.mean;
  return s.r * (sum_lanes(n, x, z, [mean](auto a, auto v) { return a * (v - mean); }) / T(n));
}

template <class T>
void reconstruction_grad_loop(T* dz, const ReconstructionRow<T>& x, Int n, T eps) {
  const auto [z, target, w, b] = x;
  const RowStatistics<T> s = statistics_of(z, n, eps, dz);
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dz[i] = w[i] * (w[i] * ((z[i] - s.mean) * s.r) + b[i] - target[i]);
  const T a_mean = mean_of(dz, n), au = mean_with_u(dz, z, s, n);
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dz[i] = s.r * (dz[i] - a_mean - (z[i] - s.mean) * s.r * au);
}

template <class T>
void reconstruction_grad_grad_loop(T* z_bar, T* target_bar, T* w_row, const T* dz_bar, const ReconstructionRow<T>& x,
                                   Int n, T eps) {
  const auto [z, target, w, b] = x;
  const T* c = dz_bar;
  T* a = target_bar;  // until it is overwritten at the end
  const RowStatistics<T> s = statistics_of(z, n, eps, z_bar);
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) a[i] = w[i] * (w[i] * ((z[i] - s.mean) * s.r) + b[i] - target[i]);
  const T a_mean = mean_of(a, n), au = mean_with_u(a, z, s, n), c_mean = mean_of(c, n), cu = mean_with_u(c, z, s, n);
  const T ca = sum_lanes(n, c, a, [](auto p, auto q) { return p * q; }) / T(n);
  const T c_dz = s.r * (ca - c_mean * a_mean - cu * au);  // mean(c dz)
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) {
    const T u = (z[i] - s.mean) * s.r, e = s.r * (c[i] - c_mean - u * cu);
    z_bar[i] = w[i] * w[i] * e - s.r * (c[i] * au + a[i] * cu);
  }
  const T bar_mean = mean_of(z_bar, n), bar_u = mean_with_u(z_bar, z, s, n);
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) {
    const T u = (z[i] - s.mean) * s.r, e = s.r * (c[i] - c_mean - u * cu);
    z_bar[i] = s.r * (z_bar[i] - bar_mean - u * (bar_u + c_dz));
    w_row[i] = e * (T(2) * w[i] * u + b[i] - target[i]);
    target_bar[i] = -w[i] * e;
  }
}

}  // namespace
}  // namespace lact::kernels
