// A batch of matrix products y = alpha a b + beta y, its shapes checked, in the form that BLAS libraries take: m, n, k,
// row steps, transposed or not, and as few batch dims as possible.
#pragma once
#include <array>

#include "kernels/layout.hpp"

namespace lact::kernels {

struct Operand {          // a matrix as BLAS names it: rows contiguous, or stored transposed with columns contiguous
  std::int64_t step = 0;  // elements between its rows (columns if transposed)
  bool transposed = false;
};

struct Product {
  Tensor y, a, b;  // a and b may be copies: of views whose strides BLAS cannot express
  std::int64_t m = 0, n = 0, k = 0, y_row = 0;
  Operand left, right;
  Layout<3> items;  // batch: steps of y, a, b
  double alpha = 1, beta = 0;
};

struct ItemPlace {       // of one product of the batch
  std::int64_t y, a, b;  // offsets
};
inline ItemPlace item_at(const Layout<3>& l, std::int64_t i) {
  ItemPlace at{0, 0, 0};
  for (std::size_t d = std::size_t(l.dims); d-- > 0;) {
    const std::int64_t j = i % l.size[d];
    i /= l.size[d];
    at.y += j * l.step[0][d];
    at.a += j * l.step[1][d];
    at.b += j * l.step[2][d];
  }
  return at;
}

// The key under which a library's prepared product is kept: two products with equal keys run the same code.
using ProductKey = std::array<std::int64_t, 16>;
struct ProductKeyHash {
  std::size_t operator()(const ProductKey& key) const {  // FNV-1a over words
    std::uint64_t h = 14695981039346656037u;
    for (auto x : key) h = (h ^ std::uint64_t(x)) * 1099511628211u;
    return std::size_t(h ^ (h >> 32));
  }
};

Product product_of(const Tensor& y, const Tensor& a, const Tensor& b, double alpha, double beta);

// Computed by oneDNN. multiply_bf16 returns false, having done nothing, where the processor has no bf16 instructions.
void multiply_f32(const Product& p);
bool multiply_bf16(const Product& p);

}  // namespace lact::kernels
