// Linear recurrences along the tokens, and the small matrices of their chunk-parallel forms.
#include "kernels/recurrence.hpp"

#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

constexpr std::int64_t enough = 8192;  // numbers worth a thread

// y += decay before, for `count` numbers from `first` on; a decay belongs to `each` neighbours.
template <class T>
void add_decayed(T* y, const T* before, const T* decay, std::int64_t first, std::int64_t count, std::int64_t each) {
  if (each == 1) return loops<T>().add_product(y + first, decay + first, before + first, count);
  for (std::int64_t i = first; i < first + count;) {
    const std::int64_t end = std::min(first + count, (i / each + 1) * each);
    loops<T>().add_to(y + i, before + i, end - i, decay[i / each]);
    i = end;
  }
}

}  // namespace

const Cpu<kernels::linear_scan> linear_scan = [](Tensor y, const Tensor& x, const Tensor& decay, bool backwards) {
  if (y.count() == 0) return;
  const std::int64_t n = x.dim(1), m = x.dim(2), r = decay.defined() ? decay.dim(2) : 1;
  constexpr std::int64_t strip = 512;
  const std::int64_t strips = (m + strip - 1) / strip;
  for_type(y, "linear_scan", [&](auto zero) {
    using T = decltype(zero);
    split(x.dim(0) * strips, rows_worth(enough, n * std::min(m, strip)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end; ++at) {
        const std::int64_t item = at / strips, first = at % strips * strip, count = std::min(strip, m - first);
        const T *from = x.data<T>() + item * n * m,
                *factors = decay.defined() ? decay.data<T>() + item * n * r : nullptr;
        T *to = y.data<T>() + item * n * m, *before = nullptr;
        for (std::int64_t step = 0; step < n; ++step) {
          const std::int64_t i = backwards ? n - 1 - step : step;
          std::copy_n(from + i * m + first, count, to + i * m + first);
          if (before != nullptr && factors == nullptr)
            loops<T>().add_to(to + i * m + first, before + first, count, T(1));
          else if (before != nullptr)
            add_decayed(to + i * m, before, factors + (backwards ? i + 1 : i) * r, first, count, m / r);
          before = to + i * m;
        }
      }
    });
  });
};

const Cpu<kernels::decayed_scores> decayed_scores = [](Tensor y, const Tensor& q, const Tensor& k, const Tensor& g) {
  const std::int64_t n = q.dim(1), d = q.dim(2);
  for_type(y, "decayed_scores", [&](auto zero) {
    using T = decltype(zero);
    split(q.dim(0), rows_worth(enough, n * n * d), [&](std::int64_t begin, std::int64_t end) {
      std::vector<T> scratch(static_cast<std::size_t>(2 * d));
      for (std::int64_t i = begin; i < end; ++i)
        loops<T>().decayed_scores(y.data<T>() + i * n * n, q.data<T>() + i * n * d, k.data<T>() + i * n * d,
                                  g.data<T>() + i * n * d, n, d, scratch.data());
    });
  });
};

const Cpu<kernels::decayed_scores_grad> decayed_scores_grad = [](const DecayedScoresGrad& t) {
  const std::int64_t n = t.q.dim(1), d = t.q.dim(2);
  for_type(t.q, "decayed_scores_grad", [&](auto zero) {
    using T = decltype(zero);
    split(t.q.dim(0), rows_worth(enough, n * n * d), [&](std::int64_t begin, std::int64_t end) {
      std::vector<T> scratch(static_cast<std::size_t>((n + 1) * d));
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t at = i * n * d;
        loops<T>().decayed_scores_grad(t.dq.data<T>() + at, t.dk.data<T>() + at, t.dg.data<T>() + at,
                                       t.dy.data<T>() + i * n * n, t.q.data<T>() + at, t.k.data<T>() + at,
                                       t.g.data<T>() + at, n, d, scratch.data());
      }
    });
  });
};

const Cpu<kernels::reverse_rows> reverse_rows = [](Tensor y, const Tensor& x) {
  if (x.count() == 0) return;
  const std::int64_t n = x.dim(1), bytes = x.count() / (x.dim(0) * n) * size_of(x.dtype());
  split(x.dim(0) * n, rows_worth(enough, bytes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row)
      std::copy_n(x.raw() + row * bytes, bytes, y.raw() + (row / n * n + n - 1 - row % n) * bytes);
  });
};

const Cpu<kernels::lower_triangle> lower_triangle = [](Tensor y, const Tensor& x, std::int64_t diagonal) {
  const std::int64_t m = x.dim(1), n = x.dim(2);
  for_type(y, "lower_triangle", [&](auto zero) {
    using T = decltype(zero);
    split(x.dim(0) * m, rows_worth(enough, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int64_t kept = std::clamp<std::int64_t>(row % m + diagonal + 1, 0, n);
        std::copy_n(x.data<T>() + row * n, kept, y.data<T>() + row * n);
        std::fill_n(y.data<T>() + row * n + kept, n - kept, T(0));
      }
    });
  });
};

const Cpu<kernels::unit_lower_inverse> unit_lower_inverse = [](Tensor y, const Tensor& x) {
  const std::int64_t n = x.dim(1);
  for_type(y, "unit_lower_inverse", [&](auto zero) {
    using T = decltype(zero);
    split(x.dim(0), rows_worth(enough, n * n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t item = begin; item < end; ++item) {
        const T* from = x.data<T>() + item * n * n;
        T* to = y.data<T>() + item * n * n;
        for (std::int64_t i = 0; i < n; ++i) {  // row i = e_i - the rows before, each times its number of x
          T* row = to + i * n;
          std::fill_n(row, n, T(0));
          row[i] = T(1);
          for (std::int64_t j = 0; j < i; ++j) loops<T>().add_to(row, to + j * n, j + 1, -from[i * n + j]);
        }
      }
    });
  });
};

}  // namespace lact::kernels::cpu
