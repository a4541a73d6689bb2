// 64 bytes of numbers side by side. The compiler splits them where registers are narrower, so sums keep one order
// everywhere.
#pragma once
#include <cstdint>

#include "kernels/functors.hpp"

namespace lact::kernels {
namespace {

using Int = std::int64_t;

template <class T>
struct LanesOf {
  typedef T type __attribute__((vector_size(64)));
  static constexpr Int count = 64 / Int(sizeof(T));
};
template <class T>
using Lanes = typename LanesOf<T>::type;

template <class T>
LACT_BOTH Lanes<T> load(const T* x) {
  Lanes<T> v;
  __builtin_memcpy(&v, x, sizeof(v));
  return v;
}
template <class T>
LACT_BOTH void store(T* y, Lanes<T> v) {
  __builtin_memcpy(y, &v, sizeof(v));
}
template <class T>
LACT_BOTH Lanes<T> load_part(const T* x, Int n) {  // the first n < count, zeros after
  Lanes<T> v = {};
  for (Int i = 0; i < n; ++i) v[i] = x[i];
  return v;
}
template <class T>
LACT_BOTH T total(Lanes<T> v) {
  T a[LanesOf<T>::count];
  __builtin_memcpy(a, &v, sizeof(v));
  for (Int w = LanesOf<T>::count / 2; w > 0; w /= 2)
    for (Int i = 0; i < w; ++i) a[i] += a[i + w];
  return a[0];
}

// Sum of f over rows of n numbers; f takes lanes. Zeros of a part must give 0.
template <class T, class F>
LACT_BOTH T sum_lanes(Int n, const T* a, F f) {
  constexpr Int L = LanesOf<T>::count;
  Lanes<T> even = {}, odd = {};
  Int i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    even += f(load(a + i));
    odd += f(load(a + i + L));
  }
  if (i + L <= n) {
    even += f(load(a + i));
    i += L;
  }
  if (i < n) odd += f(load_part(a + i, n - i));
  return total<T>(even + odd);
}
template <class T, class F>
LACT_BOTH T sum_lanes(Int n, const T* a, const T* b, F f) {
  constexpr Int L = LanesOf<T>::count;
  Lanes<T> even = {}, odd = {};
  Int i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    even += f(load(a + i), load(b + i));
    odd += f(load(a + i + L), load(b + i + L));
  }
  if (i + L <= n) {
    even += f(load(a + i), load(b + i));
    i += L;
  }
  if (i < n) odd += f(load_part(a + i, n - i), load_part(b + i, n - i));
  return total<T>(even + odd);
}

}  // namespace
}  // namespace lact::kernels
