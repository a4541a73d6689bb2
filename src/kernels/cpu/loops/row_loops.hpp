#pragma once
#include "kernels/cpu/loops/lanes.hpp"
#include "kernels/cpu/loops/loops.hpp"

namespace lact::kernels {
namespace {

template <class T>
T sum_loop(const T* x, Int n) {
  return sum_lanes(n, x, [](auto v) { return v; });
}

template <class T>
double sum_of_squares_loop(const T* x, Int n) {
  constexpr Int lanes = 16;
  double a[lanes] = {};
  Int i = 0;
  for (; i + lanes <= n; i += lanes)
    for (Int l = 0; l < lanes; ++l) a[l] += double(x[i + l]) * double(x[i + l]);
  for (Int l = 0; i + l < n; ++l) a[l] += double(x[i + l]) * double(x[i + l]);
  for (Int w = lanes / 2; w > 0; w /= 2)
    for (Int l = 0; l < w; ++l) a[l] += a[l + w];
  return a[0];
}

template <class T>
void rms_norm_loop(T* y, T* r, const T* x, const T* w, Int n, T eps) {
  const T s = T(1) / scalar::sqrt(sum_lanes(n, x, [](auto v) { return v * v; }) / T(n) + eps);
  *r = s;
  if (w == nullptr) {
#pragma GCC ivdep
    for (Int i = 0; i < n; ++i) y[i] = x[i] * s;
  } else {
#pragma GCC ivdep
    for (Int i = 0; i < n; ++i) y[i] = x[i] * s * w[i];
  }
}

// With g = dy w: dx = r (g - x r^2 mean(g x)), dw += dy x r.
template <class T>
void rms_norm_grad_loop(T* dx, T* dw, const T* dy, const T* x, const T* w, T r, Int n) {
  if (dw != nullptr) {
#pragma GCC ivdep
    for (Int i = 0; i < n; ++i) dw[i] += dy[i] * x[i] * r;
  }
  if (w == nullptr) {
    const T c = r * r * sum_lanes(n, dy, x, [](auto g, auto v) { return g * v; }) / T(n);
#pragma GCC ivdep
    for (Int i = 0; i < n; ++i) dx[i] = r * (dy[i] - x[i] * c);
    return;
  }
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dx[i] = dy[i] * w[i];
  const T c = r * r * sum_lanes(n, dx, x, [](auto g, auto v) { return g * v; }) / T(n);
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dx[i] = r * (dx[i] - x[i] * c);
}

template <class T>
void layer_norm_loop(T* y, T* mean, T* r, const T* x, const T* w, Int n, T eps) {
  const T m = sum_lanes(n, x, [](auto v) { return v; }) / T(n);
  *mean = m;
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) y[i] = x[i] - m;
  const T s = T(1) / scalar::sqrt(sum_lanes(n, y, [](auto v) { return v * v; }) / T(n) + eps);
  *r = s;
  if (w == nullptr) {
#pragma GCC ivdep
    for (Int i = 0; i < n; ++i) y[i] *= s;
  } else {
#pragma GCC ivdep
    for (Int i = 0; i < n; ++i) y[i] = y[i] * s * w[i];
  }
}

// With g = dy w and u = (x - mean) r: dx = r (g - mean(g) - u mean(g u)), dw += dy u.
template <class T>
void layer_norm_grad_loop(T* dx, T* dw, const T* dy, const T* x, const T* w, T mean, T r, Int n) {
  if (dw != nullptr) {
#pragma GCC ivdep
    for (Int i = 0; i < n; ++i) dw[i] += dy[i] * (x[i] - mean) * r;
  }
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dx[i] = w == nullptr ? dy[i] : dy[i] * w[i];
  const T g_mean = sum_lanes(n, dx, [](auto g) { return g; }) / T(n);
  // sum(g (x - mean)) from centred g: the same sum, and the tail's zeros stay zeros
  const T c = r * r * (sum_lanes(n, dx, x, [mean](auto g, auto v) { return g * (v - mean); }) / T(n));
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dx[i] = r * (dx[i] - g_mean - (x[i] - mean) * c);
}

template <class T>
void l2_norm_loop(T* y, T* norm, const T* x, Int n, T eps) {
  const T length = scalar::sqrt(sum_lanes(n, x, [](auto v) { return v * v; }));
  *norm = length;
  const T s = scalar::inverse_or_zero(length + eps);
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) y[i] = x[i] * s;
}

template <class T>
void l2_norm_grad_loop(T* dx, const T* dy, const T* x, T norm, Int n, T eps) {
  const T s = scalar::inverse_or_zero(norm + eps);
  const T c = sum_lanes(n, dy, x, [](auto g, auto v) { return g * v; }) * scalar::inverse_or_zero(norm) * s * s;
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dx[i] = dy[i] * s - x[i] * c;
}

template <class T>
void silu_row_loop(T* y, T* norm, const T* x, Int n, T eps) {
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) y[i] = scalar::silu(x[i]);
  if (norm != nullptr) l2_norm_loop(y, norm, y, n, eps);
}

template <class T>
void silu_row_grad_loop(T* dx, const T* dy, const T* x, const T* norm, Int n, T eps) {
  if (norm == nullptr) {
#pragma GCC ivdep
    for (Int i = 0; i < n; ++i) dx[i] = dy[i] * scalar::silu_slope(x[i]);
    return;
  }
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dx[i] = scalar::silu(x[i]);
  l2_norm_grad_loop(dx, dy, dx, *norm, n, eps);
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dx[i] *= scalar::silu_slope(x[i]);
}

template <class T>
LACT_BOTH T largest(const T* x, Int n) {
  constexpr Int L = LanesOf<T>::count;
  T top = x[0];
  Int i = 0;
  if (n >= L) {
    Lanes<T> most = load(x);
    for (i = L; i + L <= n; i += L) {
      const Lanes<T> v = load(x + i);
      most = v > most ? v : most;
    }
    for (Int l = 0; l < L; ++l) top = most[l] > top ? most[l] : top;
  }
  for (; i < n; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

template <class T>
void rated_gates_loop(T* m, T* dg, T* dh, const GateRow<T>& x, Int n) {
  const auto [g, h, dm, rate0, rate1, rate2] = x;
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) {
    const auto at = scalar::gates(g[i], h[i], dm[i]);
    m[i] = at.m * rate1;
    dg[i] = at.dg * rate0;
    dh[i] = at.dh * rate2;
  }
}

template <class T>
void rated_gates_grad_loop(const GateRow<T>& x, const GateRowGrads<T>& to, Int n) {
  constexpr Int L = LanesOf<T>::count;
  const T *g = x.g, *h = x.h, *dm = x.dm, *m_bar = to.m_bar, *dg_bar = to.dg_bar, *dh_bar = to.dh_bar;
  const T rate0 = x.rate0, rate1 = x.rate1, rate2 = x.rate2;
  T *g_bar = to.g_bar, *h_bar = to.h_bar, *dm_bar = to.dm_bar;
  T s0[L] = {}, s1[L] = {}, s2[L] = {};
  auto part = [&](Int at, Int count) __attribute__((always_inline)) {
#pragma GCC ivdep
    for (Int l = 0; l < count; ++l) {
      const Int i = at + l;
      const auto gate = scalar::gates(g[i], h[i], dm[i]);
      const auto bar = scalar::gates_bar(g[i], h[i], dm[i], m_bar[i] * rate1, dg_bar[i] * rate0, dh_bar[i] * rate2);
      s0[l] += dg_bar[i] * gate.dg;
      s1[l] += m_bar[i] * gate.m;
      s2[l] += dh_bar[i] * gate.dh;
      g_bar[i] = bar.g;
      h_bar[i] = bar.h;
      dm_bar[i] = bar.dm;
    }
  };
  Int i = 0;
  for (; i + L <= n; i += L) part(i, L);
  part(i, n - i);
  *to.rate0_bar = total<T>(load(s0)), *to.rate1_bar = total<T>(load(s1)), *to.rate2_bar = total<T>(load(s2));
}

template <class T>
void softmax_loop(T* y, const T* x, Int n, T scale) {
  if (n == 0) return;
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) y[i] = x[i] * scale;
  const T top = largest(y, n);
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) y[i] = scalar::exp(y[i] - top);
  const T s = T(1) / sum_lanes(n, y, [](auto v) { return v; });
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) y[i] *= s;
}

template <class T>
void softmax_grad_loop(T* dx, const T* dy, const T* y, Int n, T scale) {
  const T c = sum_lanes(n, dy, y, [](auto g, auto p) { return g * p; });
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) dx[i] = scale * y[i] * (dy[i] - c);
}

template <class T>
T log_sum_exp_loop(const T* x, Int n) {
  if (n == 0) return T(-__builtin_inf());
  const T top = largest(x, n);
  if (top == T(-__builtin_inf())) return top;
  constexpr Int piece = 256;
  T part[piece], sum = 0;
  for (Int at = 0; at < n; at += piece) {
    const Int m = n - at < piece ? n - at : piece;
#pragma GCC ivdep
    for (Int i = 0; i < m; ++i) part[i] = scalar::exp(x[at + i] - top);
    sum += sum_lanes(m, part, [](auto v) { return v; });
  }
  return top + scalar::log(sum);
}

// ---- columns ------------------------------------------------------------------------------------------------------

// y[j] = sum over rows i of f(i, j), in blocks of 64 rows. f gives lanes at a full column group or one number.
template <class T, class F, class G>
LACT_BOTH void sum_columns(T* y, Int rows, Int n, F lanes_at, G one_at) {
  constexpr Int L = LanesOf<T>::count, block = 64;
  Int j = 0;
  for (; j + 2 * L <= n; j += 2 * L) {
    Lanes<T> sum0 = {}, sum1 = {};
    for (Int first = 0; first < rows; first += block) {
      const Int last = first + block < rows ? first + block : rows;
      Lanes<T> part0 = {}, part1 = {};
      for (Int i = first; i < last; ++i) {
        part0 += lanes_at(i, j);
        part1 += lanes_at(i, j + L);
      }
      sum0 += part0;
      sum1 += part1;
    }
    store(y + j, sum0);
    store(y + j + L, sum1);
  }
  for (; j < n; ++j) {
    T sum = 0;
    for (Int first = 0; first < rows; first += block) {
      const Int last = first + block < rows ? first + block : rows;
      T part = 0;
      for (Int i = first; i < last; ++i) part += one_at(i, j);
      sum += part;
    }
    y[j] = sum;
  }
}

template <class T>
void column_sums_loop(T* y, const T* x, Int step, Int rows, Int n) {
  sum_columns(
      y, rows, n, [=](Int i, Int j) { return load(x + i * step + j); }, [=](Int i, Int j) { return x[i * step + j]; });
}
template <class T>
void column_squares_loop(T* y, const T* x, Int step, Int rows, Int n) {
  sum_columns(
      y, rows, n,
      [=](Int i, Int j) {
        const auto v = load(x + i * step + j);
        return v * v;
      },
      [=](Int i, Int j) { return x[i * step + j] * x[i * step + j]; });
}
template <class T>
void column_dots_loop(T* y, const T* a, const T* b, Int step, Int rows, Int n) {
  sum_columns(
      y, rows, n, [=](Int i, Int j) { return load(a + i * step + j) * load(b + i * step + j); },
      [=](Int i, Int j) { return a[i * step + j] * b[i * step + j]; });
}
template <class T>
void column_scale_loop(T* y, const T* x, const T* factor, Int step, Int rows, Int n) {
  for (Int i = 0; i < rows; ++i) {
#pragma GCC ivdep
    for (Int j = 0; j < n; ++j) y[i * step + j] = x[i * step + j] * factor[j];
  }
}
template <class T>
void column_mix_loop(T* y, const T* a, const T* fa, const T* b, const T* fb, Int step, Int rows, Int n) {
  for (Int i = 0; i < rows; ++i) {
#pragma GCC ivdep
    for (Int j = 0; j < n; ++j) y[i * step + j] = a[i * step + j] * fa[j] - b[i * step + j] * fb[j];
  }
}

}  // namespace
}  // namespace lact::kernels
