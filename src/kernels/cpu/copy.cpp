// unary(Unary::copy): reads and writes any strides and any types.
#include "kernels/cpu/copy.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

static_assert(int(DType::f32) == 0 && int(DType::bf16) == 1 && int(DType::f64) == 2 && int(DType::i32) == 3 &&
                  int(DType::u8) == 4,
              "Conversions are indexed in this order");

// The dims of l without the a-th and the b-th.
Layout<2> others(const Layout<2>& l, std::size_t a, std::size_t b) {
  Layout<2> o;
  for (std::size_t d = 0; d < std::size_t(l.dims); ++d)
    if (d != a && d != b) o.push(l.size[d], {l.step[0][d], l.step[1][d]});
  o.close();
  return o;
}

struct Place {
  std::int64_t y, x;  // offsets
};
Place place_of(const Layout<2>& l, std::int64_t i) {
  Place p{0, 0};
  for (std::size_t d = std::size_t(l.dims); d-- > 0; i /= l.size[d]) {
    p.y += i % l.size[d] * l.step[0][d];
    p.x += i % l.size[d] * l.step[1][d];
  }
  return p;
}

constexpr std::int64_t grain = 16384;  // numbers worth a thread

// A transposing copy: y is contiguous along its last dim, x along dim `across`. It goes in squares of 64 x 64 numbers,
// of which both what is read and what is written fit the first cache.
template <class T>
void copy_turned(const Layout<2>& l, std::size_t across, const Tensor& y, const Tensor& x) {
  constexpr std::int64_t side = 64;
  const auto last = std::size_t(l.dims - 1);
  const Layout<2> outer = others(l, across, last);
  const std::int64_t strips = (l.size[across] + side - 1) / side;
  split(outer.count() * strips, rows_worth(grain, side * l.size[last]), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Place at = place_of(outer, i / strips);
      const std::int64_t c = i % strips * side, columns = std::min(side, l.size[across] - c);
      for (std::int64_t r = 0; r < l.size[last]; r += side)
        loops<T>().turn(reinterpret_cast<T*>(y.raw()) + at.y + c * l.step[0][across] + r, l.step[0][across],
                        reinterpret_cast<const T*>(x.raw()) + at.x + r * l.step[1][last] + c, l.step[1][last],
                        std::min(side, l.size[last] - r), columns);
    }
  });
}

// Each call of the conversion copies a matrix, the last two dims; the dims before them are the loop around it.
void copy_rows(const Layout<2>& l, const Tensor& y, const Tensor& x) {
  const auto last = std::size_t(l.dims - 1), row = last - 1;
  const auto convert = best_loops().conversions.at[int(y.dtype())][int(x.dtype())];
  const std::int64_t y_bytes = size_of(y.dtype()), x_bytes = size_of(x.dtype()), rows = l.size[row], n = l.size[last];
  const Layout<2> outer = others(l, row, last);
  const std::int64_t piece = rows_worth(grain, n), pieces = (rows + piece - 1) / piece;
  split(outer.count() * pieces, rows_worth(grain, std::min(piece, rows) * n),
        [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const Place at = place_of(outer, i / pieces);
            const std::int64_t first = i % pieces * piece;
            convert(y.raw() + (at.y + first * l.step[0][row]) * y_bytes, l.step[0][row], l.step[0][last],
                    x.raw() + (at.x + first * l.step[1][row]) * x_bytes, l.step[1][row], l.step[1][last],
                    std::min(piece, rows - first), n);
          }
        });
}

}  // namespace

void copy(const Tensor& y, const Tensor& x) {
  check(x.defined() && x.shape() == y.shape(), "copy: a tensor of shape {} into one of shape {}", text_of(x.shape()),
        text_of(y.shape()));
  if (y.count() == 0) return;
  const Layout<2> l = layout_by_y(y, x);
  const auto last = std::size_t(l.dims - 1);
  if (l.dims == 1) {
    const auto convert = best_loops().conversions.at[int(y.dtype())][int(x.dtype())];
    split(l.size[0], grain, [&](std::int64_t i, std::int64_t end) {
      convert(y.raw() + i * l.step[0][0] * size_of(y.dtype()), 0, l.step[0][0],
              x.raw() + i * l.step[1][0] * size_of(x.dtype()), 0, l.step[1][0], 1, end - i);
    });
    return;
  }
  std::size_t across = last;  // the dim along which x is contiguous
  for (std::size_t d = 0; d < last; ++d)
    if (l.step[1][d] == 1 && l.size[d] >= 8) across = d;
  const bool turned =
      across != last && y.dtype() == x.dtype() && l.step[0][last] == 1 && l.step[1][last] != 1 && l.size[last] >= 8;
  if (turned && size_of(y.dtype()) == 4)
    copy_turned<float>(l, across, y, x);
  else if (turned && size_of(y.dtype()) == 8)
    copy_turned<double>(l, across, y, x);
  else
    copy_rows(l, y, x);
}

}  // namespace lact::kernels::cpu
