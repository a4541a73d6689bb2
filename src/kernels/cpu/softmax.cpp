// Rows of scores: softmax, its gradient, log-sum-exp, and picking one number per row.
#include "kernels/softmax.hpp"

#include <algorithm>

#include "kernels/attention_checks.hpp"
#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"
#include "kernels/pointwise.hpp"

namespace lact::kernels::cpu {
namespace {
constexpr std::int64_t enough = 8192;  // numbers worth a thread

void check_indices(const Tensor& x, const Tensor& index, const char* kernel) {
  for (std::int64_t i = 0; i < x.dim(0); ++i)
    check(index.data<std::int32_t>()[i] < x.dim(1), "{}: index {} in a row of {}", kernel,
          index.data<std::int32_t>()[i], x.dim(1));
}
}  // namespace

const Cpu<kernels::softmax> softmax = [](Tensor y, const Tensor& x, double scale, Mask mask) {
  check_softmax(y, x, mask);
  if (y.count() == 0) return;
  const std::int64_t n = x.dim(-1), queries = x.dims() >= 2 ? x.dim(-2) : 1;
  for_type(y, "softmax", [&](auto t) {
    using T = decltype(t);
    split(x.count() / n, rows_worth(enough, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const Range keys = visible(mask, i % queries, n);
        T* to = y.data<T>() + i * n;
        std::fill(to, to + keys.begin, T(0));
        loops<T>().softmax(to + keys.begin, x.data<T>() + i * n + keys.begin, keys.size(), T(scale));
        std::fill(to + keys.end, to + n, T(0));
      }
    });
  });
};

const Cpu<kernels::softmax_grad> softmax_grad = [](Tensor dx, const Tensor& dy, const Tensor& y, double scale) {
  check_flat({&dx, &dy, &y}, "softmax_grad");
  if (y.count() == 0) return;
  const std::int64_t n = y.dim(-1);
  for_type(y, "softmax_grad", [&](auto t) {
    using T = decltype(t);
    split(y.count() / n, rows_worth(enough, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        loops<T>().softmax_grad(dx.data<T>() + i * n, dy.data<T>() + i * n, y.data<T>() + i * n, n, T(scale));
    });
  });
};

const Cpu<kernels::log_sum_exp> log_sum_exp = [](Tensor y, const Tensor& x) {
  check_log_sum_exp(y, x);
  const std::int64_t n = x.dim(1);
  for_type(y, "log_sum_exp", [&](auto t) {
    using T = decltype(t);
    split(x.dim(0), rows_worth(enough, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) y.data<T>()[i] = loops<T>().log_sum_exp(x.data<T>() + i * n, n);
    });
  });
};

const Cpu<kernels::row_max> row_max = [](Tensor y, const Tensor& x) {
  check_log_sum_exp(y, x);
  const std::int64_t n = x.dim(1);
  for_type(y, "row_max", [&](auto t) {
    using T = decltype(t);
    split(x.dim(0), rows_worth(enough, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        y.data<T>()[i] = *std::max_element(x.data<T>() + i * n, x.data<T>() + (i + 1) * n);
    });
  });
};

const Cpu<kernels::has_index> has_index = [](Tensor y, const Tensor& index) {
  check_has_index(y, index);
  for_type(y, "has_index", [&](auto t) {
    using T = decltype(t);
    for (std::int64_t i = 0; i < y.count(); ++i) y.data<T>()[i] = T(index.data<std::int32_t>()[i] >= 0);
  });
};

const Cpu<kernels::pick> pick = [](Tensor y, const Tensor& x, const Tensor& index) {
  check_picks(y, x, index, "pick");
  check_indices(x, index, "pick");
  for_type(y, "pick", [&](auto t) {
    using T = decltype(t);
    for (std::int64_t i = 0; i < x.dim(0); ++i) {
      const std::int32_t j = index.data<std::int32_t>()[i];
      y.data<T>()[i] = j < 0 ? T(0) : x.data<T>()[i * x.dim(1) + j];
    }
  });
};

const Cpu<kernels::place> place = [](Tensor dx, const Tensor& dy, const Tensor& index) {
  check_picks(dy, dx, index, "place");
  check_indices(dx, index, "place");
  Cpu<kernels::fill>::as_part(dx, 0.0);
  for_type(dx, "place", [&](auto t) {
    using T = decltype(t);
    for (std::int64_t i = 0; i < dx.dim(0); ++i) {
      const std::int32_t j = index.data<std::int32_t>()[i];
      if (j >= 0) dx.data<T>()[i * dx.dim(1) + j] = dy.data<T>()[i];
    }
  });
};

}  // namespace lact::kernels::cpu
