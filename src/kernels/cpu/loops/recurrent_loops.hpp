#pragma once
#include "kernels/cpu/loops/lanes.hpp"

namespace lact::kernels {
namespace {

// One piece of n tokens; scratch: 2 d.
template <class T>
void decayed_scores_loop(T* y, const T* q, const T* k, const T* g, Int n, Int d, T* scratch) {
  T *exponent = scratch, *term = scratch + d;
  for (Int t = 0; t < n; ++t) {
    for (Int c = 0; c < d; ++c) exponent[c] = T(0);
    for (Int s = t; s >= 0; --s) {
      const T *query = q + t * d, *key = k + s * d, *gate = g + s * d;
#pragma GCC ivdep
      for (Int c = 0; c < d; ++c) {
        term[c] = query[c] * key[c] * scalar::exp(exponent[c]);
        exponent[c] += gate[c];
      }
      y[t * n + s] = sum_lanes(d, term, [](auto v) { return v; });
    }
    for (Int s = t + 1; s < n; ++s) y[t * n + s] = T(0);
  }
}

// scratch: (n + 1) d.
template <class T>
void decayed_scores_grad_loop(T* dq, T* dk, T* dg, const T* dy, const T* q, const T* k, const T* g, Int n, Int d,
                              T* scratch) {
  T *exponent = scratch, *of_pair = scratch + d;
  for (Int i = 0; i < n * d; ++i) dq[i] = dk[i] = dg[i] = T(0);
  for (Int t = 0; t < n; ++t) {
    for (Int c = 0; c < d; ++c) exponent[c] = T(0);
    for (Int s = t; s >= 0; --s) {
      const T weight = dy[t * n + s];
      const T *query = q + t * d, *key = k + s * d, *gate = g + s * d;
      T *to_query = dq + t * d, *to_key = dk + s * d, *pair = of_pair + s * d;
#pragma GCC ivdep
      for (Int c = 0; c < d; ++c) {
        const T decayed = weight * scalar::exp(exponent[c]);
        to_query[c] += decayed * key[c];
        to_key[c] += decayed * query[c];
        pair[c] = decayed * query[c] * key[c];
        exponent[c] += gate[c];
      }
    }
    // gate r is in the exponents of the pairs with s < r <= t
    for (Int c = 0; c < d; ++c) exponent[c] = T(0);
    for (Int r = 1; r <= t; ++r) {
      const T* pair = of_pair + (r - 1) * d;
      T* to_gate = dg + r * d;
#pragma GCC ivdep
      for (Int c = 0; c < d; ++c) {
        exponent[c] += pair[c];
        to_gate[c] += exponent[c];
      }
    }
  }
}

}  // namespace
}  // namespace lact::kernels
