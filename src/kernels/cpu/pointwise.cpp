// Element-wise kernels: long contiguous pieces go straight to the loops, strided inputs pass through a small buffer.
#include "kernels/pointwise.hpp"

#include "kernels/cpu/copy.hpp"
#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

constexpr std::int64_t grain = 8192;  // numbers per thread at least
constexpr std::int64_t block = 1024;  // numbers of a strided input collected at a time: stays in the first cache

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

}  // namespace

const Cpu<kernels::unary> unary = [](Unary f, Tensor y, const Tensor& x, double c) {
  if (f == Unary::copy) return copy(y, x);
  check_same(y, x, "unary");
  check_contiguous(y, "unary");
  for_type(y, "unary", [&](auto t) { unary_of<decltype(t)>(f, y, x, c); });
};

const Cpu<kernels::binary> binary = [](Binary f, Tensor y, const Tensor& a, const Tensor& b) {
  check_same(y, a, "binary");
  check_same(y, b, "binary");
  check_contiguous(y, "binary");
  for_type(y, "binary", [&](auto t) { binary_of<decltype(t)>(f, y, a, b); });
};

const Cpu<kernels::add_to> add_to = [](Tensor y, const Tensor& x, double c) {
  check_flat({&y, &x}, "add_to");
  for_type(y, "add_to", [&](auto t) {
    using T = decltype(t);
    split(y.count(), grain, [&](std::int64_t begin, std::int64_t end) {
      loops<T>().add_to(y.data<T>() + begin, x.data<T>() + begin, end - begin, T(c));
    });
  });
};

const Cpu<kernels::fill> fill = [](Tensor y, double value) {
  check_contiguous(y, "fill");
  for_type(y, "fill", [&](auto t) {
    using T = decltype(t);
    split(y.count(), grain,
          [&](std::int64_t begin, std::int64_t end) { std::fill_n(y.data<T>() + begin, end - begin, T(value)); });
  });
};

const Cpu<kernels::add_transposed> add_transposed = [](Tensor y, const Tensor& x) {
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
};

}  // namespace lact::kernels::cpu
