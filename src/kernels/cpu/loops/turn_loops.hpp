#pragma once
#include "kernels/cpu/loops/product_loops.hpp"

namespace lact::kernels {
namespace {

template <int bytes>
struct LaneOf {  // the integer that names a lane in a shuffle
  using type = std::int32_t;
};
template <>
struct LaneOf<8> {
  using type = std::int64_t;
};

// A square of registers, transposed by exchanging its off-diagonal blocks of 1, 2, 4, ... lanes.
template <class T, int block>
LACT_BOTH void exchange(typename RegisterOf<T>::type* v) {
  constexpr int width = int(RegisterOf<T>::count);
  if constexpr (block < width) {
    using Lane = typename LaneOf<sizeof(T)>::type;
    typename RegisterOf<Lane>::type first, second;
    for (int l = 0; l < width; ++l) {
      first[l] = Lane(l & block ? width + l - block : l);
      second[l] = Lane(l & block ? width + l : l + block);
    }
    for (int i = 0; i < width; ++i) {
      if (i & block) continue;
      const auto a = v[i], b = v[i + block];
      v[i] = __builtin_shuffle(a, b, first);
      v[i + block] = __builtin_shuffle(a, b, second);
    }
    exchange<T, block * 2>(v);
  }
}

// y[c, r] = x[r, c] for rows x columns of x.
template <class T>
void turn_loop(T* y, Int y_row, const T* x, Int x_row, Int rows, Int columns) {
  using V = typename RegisterOf<T>::type;
  constexpr Int width = RegisterOf<T>::count;
  Int r = 0;
  for (; r + width <= rows; r += width) {
    Int c = 0;
    for (; c + width <= columns; c += width) {
      V v[width];
      for (Int i = 0; i < width; ++i) __builtin_memcpy(&v[i], x + (r + i) * x_row + c, sizeof(V));
      exchange<T, 1>(v);
      for (Int i = 0; i < width; ++i) __builtin_memcpy(y + (c + i) * y_row + r, &v[i], sizeof(V));
    }
    for (; c < columns; ++c)
      for (Int i = 0; i < width; ++i) y[c * y_row + r + i] = x[(r + i) * x_row + c];
  }
  for (; r < rows; ++r)
    for (Int c = 0; c < columns; ++c) y[c * y_row + r] = x[r * x_row + c];
}

}  // namespace
}  // namespace lact::kernels
