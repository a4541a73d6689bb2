#include "kernels/sums.hpp"

#include "kernels/cpu/partials.hpp"
#include "kernels/layout.hpp"
#include "kernels/pointwise.hpp"

namespace lact::kernels::cpu {
namespace {

constexpr std::int64_t numbers_per_block = 4096;

struct Parts {
  Layout<2> kept;    // steps in x and in y
  Layout<1> summed;  // steps in x
  int unit = -1;     // the kept dim along which x is contiguous, if there is one
};

Parts parts_of(const Tensor& y, const Tensor& x) {
  Parts p;
  for (std::size_t d = 0; d < x.shape().size(); ++d) {
    const bool sums = y.shape()[d] == 1 && x.shape()[d] != 1;
    check(sums || y.shape()[d] == x.shape()[d], "sum_to: shape {} cannot be summed to {}", text_of(x.shape()),
          text_of(y.shape()));
    if (sums)
      p.summed.push(x.shape()[d], {x.strides()[d]});
    else
      p.kept.push(x.shape()[d], {x.strides()[d], y.strides()[d]});
  }
  p.summed.close();
  p.kept.close();
  for (int d = 0; d < p.kept.dims; ++d)
    if (p.kept.step[0][std::size_t(d)] == 1 && p.kept.size[std::size_t(d)] > 1) p.unit = d;
  return p;
}

Layout<1> steps_of(const Layout<2>& l, std::size_t k) {
  Layout<1> o;
  o.dims = l.dims;
  o.size = l.size;
  o.step[0] = l.step[k];
  return o;
}

// x is not contiguous along any dim that is kept: each output gathers the numbers that belong to it, in blocks of 4096.
template <class T>
void sum_numbers(const Parts& p, T* y, const T* x, Device& d) {
  const std::int64_t outputs = p.kept.count(), n = p.summed.count(),
                     blocks = (n + numbers_per_block - 1) / numbers_per_block;
  const Layout<1> x_kept = steps_of(p.kept, 0), y_kept = steps_of(p.kept, 1);
  Partials<T> partials(d, blocks, outputs);
  const std::int64_t grain = rows_worth(8192, std::min(n, numbers_per_block));
  split(outputs * blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    T buffer[numbers_per_block];
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t output = i / blocks, first = i % blocks * numbers_per_block,
                         m = std::min(numbers_per_block, n - first);
      const T* from = x + offset_of(x_kept, output);
      if (p.summed.contiguous())
        from += first;
      else
        gather(buffer, from, p.summed, first, m), from = buffer;
      partials.row(i % blocks)[output] = loops<T>().sum(from, m);
    }
  });
  std::shared_ptr<std::byte> sums = d.allocate(std::size_t(outputs) * sizeof(T));
  T* joined = reinterpret_cast<T*>(sums.get());
  partials.join(joined);
  for (std::int64_t i = 0; i < outputs; ++i) y[offset_of(y_kept, i)] = joined[i];
}

// x is contiguous along a kept dim, so outputs lie side by side in x and whole rows are added to each other.
template <class T>
void sum_rows(Parts p, T* y, const T* x, Device& d) {
  const auto u = std::size_t(p.unit);
  const std::int64_t n = p.kept.size[u], y_step = p.kept.step[1][u];
  Layout<2> outer;
  for (std::size_t i = 0; i < std::size_t(p.kept.dims); ++i)
    if (i != u) outer.push(p.kept.size[i], {p.kept.step[0][i], p.kept.step[1][i]});
  outer.close();
  const Layout<1> x_outer = steps_of(outer, 0), y_outer = steps_of(outer, 1);
  const std::int64_t groups = outer.count(), rows = p.summed.count(),
                     blocks = (rows + rows_per_block - 1) / rows_per_block;
  const std::int64_t run = p.summed.size[std::size_t(p.summed.dims - 1)],
                     step = p.summed.step[0][std::size_t(p.summed.dims - 1)];
  Partials<T> partials(d, blocks, groups * n);
  split(groups * blocks, rows_worth(16384, n * std::min(rows, rows_per_block)),
        [&](std::int64_t begin, std::int64_t end) {
          std::vector<T> piece(static_cast<std::size_t>(n));
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t group = i / blocks, block = i % blocks,
                               last = std::min(rows, (block + 1) * rows_per_block);
            T* to = partials.row(block) + group * n;
            const T* from = x + offset_of(x_outer, group);
            for (std::int64_t r = block * rows_per_block; r < last;) {
              const std::int64_t m = std::min(last - r, run - r % run);
              loops<T>().column_sums(piece.data(), from + offset_of(p.summed, r), step, m, n);
              loops<T>().add_to(to, piece.data(), n, T(1));
              r += m;
            }
          }
        });
  std::shared_ptr<std::byte> sums = d.allocate(std::size_t(groups * n) * sizeof(T));
  T* joined = reinterpret_cast<T*>(sums.get());
  partials.join(joined);
  for (std::int64_t g = 0; g < groups; ++g)
    for (std::int64_t j = 0; j < n; ++j) y[offset_of(y_outer, g) + j * y_step] = joined[g * n + j];
}

}  // namespace

const Cpu<kernels::sum_to> sum_to = [](Tensor y, const Tensor& x) {
  check(x.defined() && x.dims() == y.dims() && x.dtype() == y.dtype(), "sum_to: {} {} cannot be summed to {} {}",
        name_of(x.dtype()), text_of(x.shape()), name_of(y.dtype()), text_of(y.shape()));
  check_contiguous(y, "sum_to");
  const Parts p = parts_of(y, x);
  if (y.count() == 0) return;
  if (x.count() == 0) return Cpu<kernels::fill>::as_part(y, 0.0);
  for_type(y, "sum_to", [&](auto t) {
    using T = decltype(t);
    if (p.unit >= 0)
      sum_rows<T>(p, y.data<T>(), x.data<T>(), y.device());
    else
      sum_numbers<T>(p, y.data<T>(), x.data<T>(), y.device());
  });
};

const Cpu<kernels::squared_norm> squared_norm = [](Tensor y, const Tensor& x) {
  check(y.dtype() == DType::f64 && y.count() == 1, "squared_norm writes one f64 number, not {} {}", name_of(y.dtype()),
        text_of(y.shape()));
  check(x.defined(), "squared_norm: the input is undefined");
  check_contiguous(x, "squared_norm");
  const std::int64_t blocks = (x.count() + numbers_per_block - 1) / numbers_per_block;
  Partials<double> partials(y.device(), blocks, 1);
  for_type(x, "squared_norm", [&](auto t) {
    using T = decltype(t);
    split(blocks, 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i * numbers_per_block;
        *partials.row(i) =
            loops<T>().sum_of_squares(x.data<T>() + first, std::min(numbers_per_block, x.count() - first));
      }
    });
  });
  partials.join(y.data<double>());
};

}  // namespace lact::kernels::cpu
