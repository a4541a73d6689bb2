// Linear recurrences along the tokens, and the small matrices of their chunk-parallel forms. Every thread has a channel
// or a column of its own and shares nothing.
#include "kernels/recurrence.hpp"

#include "kernels/cuda/launch.cuh"

namespace lact::kernels::cuda {
namespace {

template <class T>
struct ScanOf {
  T* y;
  const T *x, *decay;
  std::int64_t n, m, r;
  bool backwards;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t item = i / m, column = i % m, first = item * n * m + column;
    const T* factors = decay == nullptr ? nullptr : decay + item * n * r + column / (m / r);
    T before = 0;
    for (std::int64_t step = 0; step < n; ++step) {
      const std::int64_t row = backwards ? n - 1 - step : step, factor = backwards ? row + 1 : row;
      const T kept = factors == nullptr || step == 0 ? before : factors[factor * r] * before;
      before = x[first + row * m] + kept;
      y[first + row * m] = before;
    }
  }
};

template <class T>
struct ScoreOf {  // one pair of tokens
  T* y;
  const T *q, *k, *g;
  std::int64_t n, d;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t item = i / (n * n), t = i / n % n, s = i % n, base = item * n * d;
    T sum = 0;
    for (std::int64_t c = 0; s <= t && c < d; ++c) {
      T exponent = 0;
      for (std::int64_t between = t; between > s; --between) exponent += g[base + between * d + c];
      sum += q[base + t * d + c] * k[base + s * d + c] * scalar::exp(exponent);
    }
    y[i] = sum;
  }
};

template <class T>
struct ScoresGradOf {  // one channel of a piece
  T *dq, *dk, *dg;
  const T *dy, *q, *k, *g;
  std::int64_t n, d;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t item = i / d, first = item * n * d + i % d;
    const T* weights = dy + item * n * n;
    T of_pair[longest_piece];
    for (std::int64_t t = 0; t < n; ++t) dk[first + t * d] = dg[first + t * d] = T(0);
    for (std::int64_t t = 0; t < n; ++t) {
      const T query = q[first + t * d];
      T exponent = 0, to_query = 0;
      for (std::int64_t s = t; s >= 0; --s) {
        const T decayed = weights[t * n + s] * scalar::exp(exponent), key = k[first + s * d];
        to_query += decayed * key;
        dk[first + s * d] += decayed * query;
        of_pair[s] = decayed * query * key;
        exponent += g[first + s * d];
      }
      dq[first + t * d] = to_query;
      T through = 0;  // gate r is in the exponents of the pairs with s < r <= t
      for (std::int64_t r = 1; r <= t; ++r) {
        through += of_pair[r - 1];
        dg[first + r * d] += through;
      }
    }
  }
};

template <class T>
struct ReversedOf {
  T* y;
  const T* x;
  std::int64_t n, row;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t at = i / row % n;
    y[i] = x[i + (n - 1 - 2 * at) * row];
  }
};

template <class T>
struct LowerOf {
  T* y;
  const T* x;
  std::int64_t m, n, diagonal;
  template <int V>
  __device__ void at(std::int64_t i) const {
    y[i] = i % n <= i / n % m + diagonal ? x[i] : T(0);
  }
};

template <class T>
struct InverseColumn {  // y[i] = e[i] - sum over j < i of x[i, j] y[j], of one column
  T* y;
  const T* x;
  std::int64_t n;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t item = i / n, column = i % n;
    const T* from = x + item * n * n;
    T* to = y + item * n * n + column;
    for (std::int64_t row = 0; row < n; ++row) {
      T sum = row == column ? T(1) : T(0);
      for (std::int64_t j = column; j < row; ++j) sum -= from[row * n + j] * to[j * n];
      to[row * n] = sum;
    }
  }
};

}  // namespace

const Cuda<kernels::linear_scan> linear_scan = [](Tensor y, const Tensor& x, const Tensor& decay, bool backwards) {
  if (y.count() == 0) return;
  for_type(y, "linear_scan", [&](auto zero) {
    using T = decltype(zero);
    const bool decays = decay.defined();
    start<1>(y, "linear_scan", x.dim(0) * x.dim(2),
             ScanOf<T>{y.data<T>(), x.data<T>(), decays ? decay.data<T>() : nullptr, x.dim(1), x.dim(2),
                       decays ? decay.dim(2) : 1, backwards});
  });
};

const Cuda<kernels::decayed_scores> decayed_scores = [](Tensor y, const Tensor& q, const Tensor& k, const Tensor& g) {
  for_type(y, "decayed_scores", [&](auto zero) {
    using T = decltype(zero);
    start<1>(y, "decayed_scores", y.count(),
             ScoreOf<T>{y.data<T>(), q.data<T>(), k.data<T>(), g.data<T>(), q.dim(1), q.dim(2)});
  });
};

const Cuda<kernels::decayed_scores_grad> decayed_scores_grad = [](const DecayedScoresGrad& t) {
  for_type(t.q, "decayed_scores_grad", [&](auto zero) {
    using T = decltype(zero);
    start<1>(t.dq, "decayed_scores_grad", t.q.count() == 0 ? 0 : t.q.dim(0) * t.q.dim(2),
             ScoresGradOf<T>{.dq = t.dq.data<T>(),
                             .dk = t.dk.data<T>(),
                             .dg = t.dg.data<T>(),
                             .dy = t.dy.data<T>(),
                             .q = t.q.data<T>(),
                             .k = t.k.data<T>(),
                             .g = t.g.data<T>(),
                             .n = t.q.dim(1),
                             .d = t.q.dim(2)});
  });
};

const Cuda<kernels::reverse_rows> reverse_rows = [](Tensor y, const Tensor& x) {
  if (x.count() == 0) return;
  for_stored(y, "reverse_rows", [&](auto zero) {
    using T = decltype(zero);
    start<1>(y, "reverse_rows", y.count(),
             ReversedOf<T>{y.data<T>(), x.data<T>(), x.dim(1), x.count() / (x.dim(0) * x.dim(1))});
  });
};

const Cuda<kernels::lower_triangle> lower_triangle = [](Tensor y, const Tensor& x, std::int64_t diagonal) {
  for_type(y, "lower_triangle", [&](auto zero) {
    using T = decltype(zero);
    start<1>(y, "lower_triangle", y.count(), LowerOf<T>{y.data<T>(), x.data<T>(), x.dim(1), x.dim(2), diagonal});
  });
};

const Cuda<kernels::unit_lower_inverse> unit_lower_inverse = [](Tensor y, const Tensor& x) {
  for_type(y, "unit_lower_inverse", [&](auto zero) {
    using T = decltype(zero);
    start<1>(y, "unit_lower_inverse", x.dim(0) * x.dim(1), InverseColumn<T>{y.data<T>(), x.data<T>(), x.dim(1)});
  });
};

}  // namespace lact::kernels::cuda
