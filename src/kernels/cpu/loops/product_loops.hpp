#pragma once
#include "kernels/cpu/loops/lanes.hpp"

namespace lact::kernels {
namespace {

// A register of this instruction set, and the tile of the product that its registers hold: tile_rows x tile_wide
// registers of sums.
#if defined(__AVX512F__)
constexpr int register_bytes = 64, tile_rows = 6, tile_wide = 4;
#elif defined(__AVX__)
constexpr int register_bytes = 32, tile_rows = 6, tile_wide = 2;
#else
constexpr int register_bytes = 16, tile_rows = 6, tile_wide = 2;
#endif

template <class T>
struct RegisterOf {
  typedef T type __attribute__((vector_size(register_bytes)));
  static constexpr Int count = register_bytes / Int(sizeof(T));
};

template <class T, int rows, int wide>
void product_tile(T* c, Int c_row, const T* a, Int a_row, Int a_col, const T* b, Int b_row, Int k, bool add) {
  using V = typename RegisterOf<T>::type;
  constexpr Int width = RegisterOf<T>::count;
  V sum[rows][wide];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < wide; ++j) {
      sum[i][j] = V{};
      if (add) __builtin_memcpy(&sum[i][j], c + i * c_row + j * width, sizeof(V));
    }
  for (Int l = 0; l < k; ++l) {
    V right[wide];
    for (int j = 0; j < wide; ++j) __builtin_memcpy(&right[j], b + l * b_row + j * width, sizeof(V));
    for (int i = 0; i < rows; ++i) {
      const T left = a[i * a_row + l * a_col];
      for (int j = 0; j < wide; ++j) sum[i][j] += left * right[j];
    }
  }
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < wide; ++j) __builtin_memcpy(c + i * c_row + j * width, &sum[i][j], sizeof(V));
}

template <class T, int wide>
void product_panel(T* c, Int c_row, const T* a, Int a_row, Int a_col, const T* b, Int b_row, Int m, Int k, bool add) {
  Int i = 0;
  for (; i + tile_rows <= m; i += tile_rows)
    product_tile<T, tile_rows, wide>(c + i * c_row, c_row, a + i * a_row, a_row, a_col, b, b_row, k, add);
  for (; i + 2 <= m; i += 2)
    product_tile<T, 2, wide>(c + i * c_row, c_row, a + i * a_row, a_row, a_col, b, b_row, k, add);
  if (i < m) product_tile<T, 1, wide>(c + i * c_row, c_row, a + i * a_row, a_row, a_col, b, b_row, k, add);
}

// c [m, n] (+)= a [m, k] b [k, n]; n a multiple of 64 bytes, the rows of b and c contiguous, a with any steps.
template <class T>
void product_loop(T* c, Int c_row, const T* a, Int a_row, Int a_col, const T* b, Int b_row, Int m, Int n, Int k,
                  bool add) {
  constexpr Int width = RegisterOf<T>::count;
  Int j = 0;
  for (; j + tile_wide * width <= n; j += tile_wide * width)
    product_panel<T, tile_wide>(c + j, c_row, a, a_row, a_col, b + j, b_row, m, k, add);
  for (; j < n; j += width) product_panel<T, 1>(c + j, c_row, a, a_row, a_col, b + j, b_row, m, k, add);
}

}  // namespace
}  // namespace lact::kernels
