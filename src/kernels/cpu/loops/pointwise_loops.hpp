#pragma once
#include "kernels/cpu/loops/lanes.hpp"
#include "kernels/cpu/loops/loops.hpp"

namespace lact::kernels {
namespace {

// y may be x itself: each element depends on its own place only, so the compiler may ignore the overlap (ivdep).
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
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::copy>(v, c); });
    case Unary::scale:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::scale>(v, c); });
    case Unary::shift:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::shift>(v, c); });
    case Unary::square:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::square>(v, c); });
    case Unary::sqrt:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::sqrt>(v, c); });
    case Unary::inverse:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::inverse>(v, c); });
    case Unary::exp:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::exp>(v, c); });
    case Unary::log:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::log>(v, c); });
    case Unary::tanh:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::tanh>(v, c); });
    case Unary::erf:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::erf>(v, c); });
    case Unary::sigmoid:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::sigmoid>(v, c); });
    case Unary::silu:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::silu>(v, c); });
    case Unary::softplus:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::softplus>(v, c); });
    case Unary::gelu:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::gelu>(v, c); });
    case Unary::gelu_tanh:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::gelu_tanh>(v, c); });
    case Unary::relu:
      return each(y, x, n, [c](T v) { return scalar::unary<Unary::relu>(v, c); });
  }
}

template <class T>
void binary_loop(Binary f, T* y, const T* a, const T* b, Int n) {
  switch (f) {
    case Binary::add:
      return each(y, a, b, n, [](T u, T v) { return scalar::binary<Binary::add>(u, v); });
    case Binary::subtract:
      return each(y, a, b, n, [](T u, T v) { return scalar::binary<Binary::subtract>(u, v); });
    case Binary::multiply:
      return each(y, a, b, n, [](T u, T v) { return scalar::binary<Binary::multiply>(u, v); });
    case Binary::silu_grad:
      return each(y, a, b, n, [](T u, T v) { return scalar::binary<Binary::silu_grad>(u, v); });
    case Binary::gelu_grad:
      return each(y, a, b, n, [](T u, T v) { return scalar::binary<Binary::gelu_grad>(u, v); });
    case Binary::gelu_tanh_grad:
      return each(y, a, b, n, [](T u, T v) { return scalar::binary<Binary::gelu_tanh_grad>(u, v); });
    case Binary::gelu_tanh_bend:
      return each(y, a, b, n, [](T u, T v) { return scalar::binary<Binary::gelu_tanh_bend>(u, v); });
    case Binary::relu_grad:
      return each(y, a, b, n, [](T u, T v) { return scalar::binary<Binary::relu_grad>(u, v); });
  }
}

template <class T>
void add_to_loop(T* y, const T* x, Int n, T c) {
  each(y, y, x, n, [c](T u, T v) { return u + c * v; });
}

template <class T>
void add_product_loop(T* y, const T* a, const T* b, Int n) {
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

template <class T>
void swiglu_loop(T* m, const T* g, const T* h, Int n) {
  each(m, g, h, n, [](T u, T v) { return scalar::silu(u) * v; });
}

template <class T>
void swiglu_grad_loop(T* dg, T* dh, const T* g, const T* h, const T* dm, Int n) {
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) {
    const auto d = scalar::swiglu_first(g[i], h[i], dm[i]);
    dg[i] = d.dg;
    dh[i] = d.dh;
  }
}

template <class T>
void adamw_loop(T* p, T* m, T* v, const T* g, Int n, const scalar::AdamWStep<T>& s) {
  const scalar::AdamWStep<T> a = s;
#pragma GCC ivdep
  for (Int i = 0; i < n; ++i) {
    T p1 = p[i], m1 = m[i], v1 = v[i];
    scalar::adamw(p1, m1, v1, g[i], a);
    m[i] = m1;
    v[i] = v1;
    p[i] = p1;
  }
}

// ---- conversions --------------------------------------------------------------------------------------------------

template <class To, class From>
void convert_loop(void* to, Int to_row, Int to_step, const void* from, Int from_row, Int from_step, Int rows, Int n) {
  for (Int r = 0; r < rows; ++r) {
    auto* y = static_cast<To*>(to) + r * to_row;
    const auto* x = static_cast<const From*>(from) + r * from_row;
    if (to_step == 1 && from_step == 1) {
#pragma GCC ivdep
      for (Int i = 0; i < n; ++i) scalar::put(y[i], scalar::widened(x[i]));
    } else {
      for (Int i = 0; i < n; ++i) scalar::put(y[i * to_step], scalar::widened(x[i * from_step]));
    }
  }
}

}  // namespace
}  // namespace lact::kernels
