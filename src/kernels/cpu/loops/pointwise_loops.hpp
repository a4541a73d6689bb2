#pragma once
#include "kernels/cpu/loops/lanes.hpp"
#include "kernels/cpu/loops/loops.hpp"

namespace lact::kernels {
namespace {

// y may be x itself: equal positions only, so there is nothing to wait for from one element to the next.
template <class T, class F>
LACT_BOTH void each(T* y, const T* x, Int n, F f) {
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) y[i] = f(x[i]);
}
template <class T, class F>
LACT_BOTH void each(T* y, const T* a, const T* b, Int n, F f) {
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
}

template <class T>
void unary_loop(Unary f, T* y, const T* x, Int n, T c) {
  switch (f) {
    case Unary::copy:
      return each(y, x, n, [](T v) { return v; });
    case Unary::scale:
      return each(y, x, n, [c](T v) { return c * v; });
    case Unary::shift:
      return each(y, x, n, [c](T v) { return v + c; });
    case Unary::square:
      return each(y, x, n, [](T v) { return v * v; });
    case Unary::sqrt:
      return each(y, x, n, [](T v) { return scalar::sqrt(v); });
    case Unary::inverse:
      return each(y, x, n, [](T v) { return v == T(0) ? T(0) : T(1) / v; });
    case Unary::exp:
      return each(y, x, n, [](T v) { return scalar::exp(v); });
    case Unary::log:
      return each(y, x, n, [](T v) { return scalar::log(v); });
    case Unary::tanh:
      return each(y, x, n, [](T v) { return scalar::tanh(v); });
    case Unary::erf:
      return each(y, x, n, [](T v) { return scalar::erf(v); });
    case Unary::sigmoid:
      return each(y, x, n, [](T v) { return scalar::sigmoid(v); });
    case Unary::silu:
      return each(y, x, n, [](T v) { return scalar::silu(v); });
    case Unary::softplus:
      return each(y, x, n, [](T v) { return scalar::softplus(v); });
    case Unary::gelu:
      return each(y, x, n, [](T v) { return scalar::gelu(v); });
  }
}

template <class T>
void binary_loop(Binary f, T* y, const T* a, const T* b, Int n) {
  switch (f) {
    case Binary::add:
      return each(y, a, b, n, [](T u, T v) { return u + v; });
    case Binary::subtract:
      return each(y, a, b, n, [](T u, T v) { return u - v; });
    case Binary::multiply:
      return each(y, a, b, n, [](T u, T v) { return u * v; });
    case Binary::silu_grad:
      return each(y, a, b, n, [](T x, T dy) { return dy * scalar::silu_slope(x); });
    case Binary::gelu_grad:
      return each(y, a, b, n, [](T x, T dy) { return dy * scalar::gelu_slope(x); });
  }
}

template <class T>
void add_to_loop(T* y, const T* x, Int n, T c) {
  each(y, y, x, n, [c](T u, T v) { return u + c * v; });
}

template <class T>
void swiglu_loop(T* m, const T* g, const T* h, Int n) {
  each(m, g, h, n, [](T u, T v) { return scalar::silu(u) * v; });
}

template <class T>
void swiglu_grad_loop(T* dg, T* dh, const T* g, const T* h, const T* dm, Int n) {
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) {
    const T s = scalar::sigmoid(g[i]), u = g[i], up = h[i], d = dm[i];
    dg[i] = d * up * (s * (T(1) + u * (T(1) - s)));
    dh[i] = d * (u * s);
  }
}

template <class T>
void swiglu_grad_grad_loop(T* g_bar, T* h_bar, T* dm_bar, const T* g, const T* h, const T* dm, const T* a, const T* b,
                           Int n) {
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) {
    const auto bar = scalar::swiglu_second(g[i], h[i], dm[i], a[i], b[i]);
    g_bar[i] = bar.g_bar;
    h_bar[i] = bar.h_bar;
    dm_bar[i] = bar.dm_bar;
  }
}

template <class T>
void adamw_loop(T* p, T* m, T* v, const T* g, Int n, const AdamWStep<T>& s) {
  const AdamWStep<T> a = s;
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) {
    const T gradient = a.gradient_scale * g[i];
    const T m1 = a.beta1 * m[i] + (T(1) - a.beta1) * gradient;
    const T v1 = a.beta2 * v[i] + (T(1) - a.beta2) * gradient * gradient;
    m[i] = m1;
    v[i] = v1;
    p[i] = p[i] * a.keep - a.rate * (m1 * a.inverse1) / (scalar::sqrt(v1 * a.inverse2) + a.eps);
  }
}

// ---- conversions --------------------------------------------------------------------------------------------------

struct Bf16 {  // the upper half of a float; rounding as to_bf16 in tensor.hpp
  std::uint16_t bits;
};
LACT_BOTH double widened(double x) { return x; }
LACT_BOTH float widened(float x) { return x; }
LACT_BOTH float widened(Bf16 x) { return __builtin_bit_cast(float, std::uint32_t(x.bits) << 16); }
LACT_BOTH std::int32_t widened(std::int32_t x) { return x; }
LACT_BOTH std::int32_t widened(std::uint8_t x) { return x; }

LACT_BOTH double rounded(double x, double low, double high) {  // NaN becomes low
  const double y = __builtin_rint(x);
  return y > low ? (y < high ? y : high) : low;
}
template <class S>
LACT_BOTH void put(double& y, S x) {
  y = double(x);
}
template <class S>
LACT_BOTH void put(float& y, S x) {
  y = float(x);
}
template <class S>
LACT_BOTH void put(Bf16& y, S x) {
  const auto u = __builtin_bit_cast(std::uint32_t, float(x));
  const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
  y.bits = std::uint16_t(nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
template <class S>
LACT_BOTH void put(std::int32_t& y, S x) {
  y = std::int32_t(rounded(double(x), -2147483648.0, 2147483647.0));
}
template <class S>
LACT_BOTH void put(std::uint8_t& y, S x) {
  y = std::uint8_t(rounded(double(x), 0.0, 255.0));
}

template <class To, class From>
void convert_loop(void* to, Int to_row, Int to_step, const void* from, Int from_row, Int from_step, Int rows, Int n) {
  for (Int r = 0; r < rows; ++r) {
    auto* y = static_cast<To*>(to) + r * to_row;
    const auto* x = static_cast<const From*>(from) + r * from_row;
    if (to_step == 1 && from_step == 1) {
#pragma GCC ivdep
      for (Int i = 0; i < n; ++i) put(y[i], widened(x[i]));
    } else {
      for (Int i = 0; i < n; ++i) put(y[i * to_step], widened(x[i * from_step]));
    }
  }
}

}  // namespace
}  // namespace lact::kernels
