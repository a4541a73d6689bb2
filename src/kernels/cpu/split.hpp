// Work over the threads.
#pragma once
#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace lact::kernels {

// Calls f(begin, end) on pieces of [0, n) that begin at multiples of `grain`; at most one piece per thread. Work of one
// grain or less stays on the calling thread, since opening a parallel region costs microseconds. f must not throw.
template <class F>
void split(std::int64_t n, std::int64_t grain, F&& f) {
  const std::int64_t grains = (n + grain - 1) / grain;
  if (n <= 0) return;
  if (grains == 1 || omp_in_parallel() || omp_get_max_threads() == 1) {
    f(std::int64_t(0), n);
    return;
  }
#pragma omp parallel num_threads(int(std::min <std::int64_t>(grains, omp_get_max_threads())))
  {
    const std::int64_t parts = omp_get_num_threads(), part = omp_get_thread_num();
    const std::int64_t begin = grains * part / parts * grain, end = std::min(n, grains * (part + 1) / parts * grain);
    if (begin < end) f(begin, end);
  }
}

// Rows per piece such that a piece is worth a thread: about `enough` numbers.
inline std::int64_t rows_worth(std::int64_t enough, std::int64_t row) {
  return std::max<std::int64_t>(1, enough / std::max<std::int64_t>(1, row));
}

}  // namespace lact::kernels
