// Element-wise kernels: long contiguous pieces go straight to the loops, strided inputs pass through a small buffer.
#include "kernels/cpu/cpu.hpp"
#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

constexpr std::int64_t grain = 8192;  // numbers per thread at least
constexpr std::int64_t block = 1024;  // numbers of a strided input gathered at a time: stays in the first cache

// The numbers of a view in row-major order, piece by piece.
template <class T>
class Pieces {
 public:
  explicit Pieces(const Tensor& x) : base_(x.data<T>()), layout_(layout_of(x)) {}
  bool contiguous() const { return layout_.contiguous(); }
  const T* at(std::int64_t begin, std::int64_t n, T* buffer) const {
    if (contiguous()) return base_ + begin;
    gather(buffer, base_, layout_, begin, n);
    return buffer;
  }

 private:
  const T* base_;
  Layout<1> layout_;
};

template <class T>
void unary_of(Unary f, const Tensor& y, const Tensor& x, double c) {
  const Pieces<T> from(x);
  T* to = y.data<T>();
  split(y.count(), grain, [&](std::int64_t begin, std::int64_t end) {
    T buffer[block];
    const std::int64_t most = from.contiguous() ? end - begin : block;
    for (std::int64_t i = begin; i < end; i += most) {
      const std::int64_t n = std::min(most, end - i);
      loops<T>().unary(f, to + i, from.at(i, n, buffer), n, T(c));
    }
  });
}

template <class T>
void binary_of(Binary f, const Tensor& y, const Tensor& a, const Tensor& b) {
  const Pieces<T> left(a), right(b);
  T* to = y.data<T>();
  split(y.count(), grain, [&](std::int64_t begin, std::int64_t end) {
    T left_buffer[block], right_buffer[block];
    const std::int64_t most = left.contiguous() && right.contiguous() ? end - begin : block;
    for (std::int64_t i = begin; i < end; i += most) {
      const std::int64_t n = std::min(most, end - i);
      loops<T>().binary(f, to + i, left.at(i, n, left_buffer), right.at(i, n, right_buffer), n);
    }
  });
}

// f(row, where it begins, its rates) for rows of n numbers.
template <class T, class F>
void each_rated_row(std::int64_t n, const Tensor& rate0, const Tensor& rate1, const Tensor& rate2, F f) {
  split(rate0.count(), rows_worth(grain, n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T rates[3] = {rate0.data<T>()[r], rate1.data<T>()[r], rate2.data<T>()[r]};
      f(r, r * n, rates);
    }
  });
}

}  // namespace

void unary(Unary f, Tensor y, const Tensor& x, double c) {
  if (f == Unary::copy) return copy(y, x);
  check_same(y, x, "unary");
  check_contiguous(y, "unary");
  for_type(y, "unary", [&](auto t) { unary_of<decltype(t)>(f, y, x, c); });
}

void binary(Binary f, Tensor y, const Tensor& a, const Tensor& b) {
  check_same(y, a, "binary");
  check_same(y, b, "binary");
  check_contiguous(y, "binary");
  for_type(y, "binary", [&](auto t) { binary_of<decltype(t)>(f, y, a, b); });
}

void add_to(Tensor y, const Tensor& x, double c) {
  check_flat({&y, &x}, "add_to");
  for_type(y, "add_to", [&](auto t) {
    using T = decltype(t);
    split(y.count(), grain, [&](std::int64_t begin, std::int64_t end) {
      loops<T>().add_to(y.data<T>() + begin, x.data<T>() + begin, end - begin, T(c));
    });
  });
}

void fill(Tensor y, double value) {
  check_contiguous(y, "fill");
  for_type(y, "fill", [&](auto t) {
    using T = decltype(t);
    split(y.count(), grain,
          [&](std::int64_t begin, std::int64_t end) { std::fill_n(y.data<T>() + begin, end - begin, T(value)); });
  });
}

void add_transposed(Tensor y, const Tensor& x) {
  const std::int64_t n = y.dim(-1), items = n == 0 ? 0 : y.count() / (n * n);
  constexpr std::int64_t tile = 32;  // the mirror image of a tile fits the nearest cache
  const std::int64_t strips = (n + tile - 1) / tile;
  for_type(y, "add_transposed", [&](auto t) {
    using T = decltype(t);
    split(items * strips, rows_worth(grain, n * tile), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t s = begin; s < end; ++s) {
        const std::int64_t first = s % strips * tile, last = std::min(n, first + tile);
        const T* from = x.data<T>() + s / strips * n * n;
        T* to = y.data<T>() + s / strips * n * n;
        for (std::int64_t left = 0; left < n; left += tile)
          for (std::int64_t i = first; i < last; ++i)
            for (std::int64_t j = left; j < std::min(n, left + tile); ++j)
              to[i * n + j] = from[i * n + j] + from[j * n + i];
      }
    });
  });
}

void swiglu(Tensor m, const Tensor& g, const Tensor& h) {
  check_flat({&m, &g, &h}, "swiglu");
  for_type(m, "swiglu", [&](auto t) {
    using T = decltype(t);
    split(m.count(), grain, [&](std::int64_t i, std::int64_t end) {
      loops<T>().swiglu(m.data<T>() + i, g.data<T>() + i, h.data<T>() + i, end - i);
    });
  });
}

void swiglu_grad(Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm) {
  check_flat({&dg, &dh, &g, &h, &dm}, "swiglu_grad");
  for_type(dg, "swiglu_grad", [&](auto t) {
    using T = decltype(t);
    split(dg.count(), grain, [&](std::int64_t i, std::int64_t end) {
      loops<T>().swiglu_grad(dg.data<T>() + i, dh.data<T>() + i, g.data<T>() + i, h.data<T>() + i, dm.data<T>() + i,
                             end - i);
    });
  });
}

void rated_gates(Tensor m, Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm,
                 const Tensor& rate0, const Tensor& rate1, const Tensor& rate2) {
  check_flat_rows({&m, &dg, &dh, &g, &h, &dm}, {&rate0, &rate1, &rate2}, "rated_gates");
  const std::int64_t n = m.dim(-1);
  for_type(m, "rated_gates", [&](auto t) {
    using T = decltype(t);
    each_rated_row<T>(n, rate0, rate1, rate2, [&](std::int64_t, std::int64_t i, const T(&rates)[3]) {
      loops<T>().rated_gates(m.data<T>() + i, dg.data<T>() + i, dh.data<T>() + i, g.data<T>() + i, h.data<T>() + i,
                             dm.data<T>() + i, rates, n);
    });
  });
}

void rated_gates_grad(Tensor g_bar, Tensor h_bar, Tensor dm_bar, Tensor rate0_bar, Tensor rate1_bar, Tensor rate2_bar,
                      const Tensor& g, const Tensor& h, const Tensor& dm, const Tensor& rate0, const Tensor& rate1,
                      const Tensor& rate2, const Tensor& a, const Tensor& b, const Tensor& c) {
  check_flat_rows({&g_bar, &h_bar, &dm_bar, &g, &h, &dm, &a, &b, &c},
                  {&rate0_bar, &rate1_bar, &rate2_bar, &rate0, &rate1, &rate2}, "rated_gates_grad");
  const std::int64_t n = g.dim(-1);
  for_type(g, "rated_gates_grad", [&](auto t) {
    using T = decltype(t);
    each_rated_row<T>(n, rate0, rate1, rate2, [&](std::int64_t r, std::int64_t i, const T(&rates)[3]) {
      T bars[3];
      loops<T>().rated_gates_grad(g_bar.data<T>() + i, h_bar.data<T>() + i, dm_bar.data<T>() + i, bars, g.data<T>() + i,
                                  h.data<T>() + i, dm.data<T>() + i, rates, a.data<T>() + i, b.data<T>() + i,
                                  c.data<T>() + i, n);
      rate0_bar.data<T>()[r] = bars[0], rate1_bar.data<T>()[r] = bars[1], rate2_bar.data<T>()[r] = bars[2];
    });
  });
}

}  // namespace lact::kernels::cpu
