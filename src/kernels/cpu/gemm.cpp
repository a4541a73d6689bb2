// Strided batched products. f32 and bf16 are oneDNN's, see onednn.cpp; f64 is a product of our own in a fixed order.
#include "kernels/gemm.hpp"

#include "kernels/cpu/copy.hpp"
#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/product.hpp"

namespace lact::kernels::cpu {
namespace {

// y = beta y: what a product with k = 0 leaves.
template <class T>
void scale_rows(const Product& p) {
  for (std::int64_t i = 0; i < p.items.count(); ++i)
    for (std::int64_t r = 0; r < p.m; ++r) {
      T* row = p.y.data<T>() + item_at(p.items, i).y + r * p.y_row;
      for (std::int64_t j = 0; j < p.n; ++j) row[j] = p.beta == 0 ? T(0) : T(p.beta) * row[j];
    }
}

// Strip by strip of 64 columns of y: the strip of b [k, 64] is packed side by side, and 48 x 64 sums are kept beside
// it.
void multiply_f64(const Product& p) {
  constexpr std::int64_t wide = 64, tall = 48;
  const std::int64_t strips = (p.n + wide - 1) / wide;
  const std::int64_t b_row = p.right.transposed ? 1 : p.right.step, b_column = p.right.transposed ? p.right.step : 1;
  const std::int64_t a_row = p.left.transposed ? 1 : p.left.step, a_column = p.left.transposed ? p.left.step : 1;
  split(p.items.count() * strips, rows_worth(500000, p.m * wide * p.k), [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> packed(static_cast<std::size_t>(p.k * wide)), sums(static_cast<std::size_t>(tall * wide));
    for (std::int64_t i = begin; i < end; ++i) {
      const ItemPlace at = item_at(p.items, i / strips);
      const std::int64_t first = i % strips * wide, n = std::min(wide, p.n - first);
      const double *a = p.a.data<double>() + at.a, *b = p.b.data<double>() + at.b + first * b_column;
      for (std::int64_t l = 0; l < p.k; ++l)
        for (std::int64_t j = 0; j < wide; ++j)
          packed[std::size_t(l * wide + j)] = j < n ? b[l * b_row + j * b_column] : 0;
      for (std::int64_t r = 0; r < p.m; r += tall) {
        const std::int64_t rows = std::min(tall, p.m - r);
        loops<double>().product(sums.data(), wide, a + r * a_row, a_row, a_column, packed.data(), wide, rows,
                                (n + 7) / 8 * 8, p.k, false);
        for (std::int64_t s = 0; s < rows; ++s) {
          double* y = p.y.data<double>() + at.y + (r + s) * p.y_row + first;
          for (std::int64_t j = 0; j < n; ++j)
            y[j] = p.alpha * sums[std::size_t(s * wide + j)] + (p.beta == 0 ? 0 : p.beta * y[j]);
        }
      }
    }
  });
}

Tensor widened(const Tensor& t) {
  Tensor w = Tensor::empty(t.device(), t.shape());
  copy(w, t);
  return w;
}

}  // namespace

const Cpu<kernels::matmul_add> matmul_add = [](Tensor y, const Tensor& c, const Tensor& a, const Tensor& b,
                                               double alpha, double beta) {
  if (beta != 0 && y.raw() != c.raw()) copy(y, c);
  const Product p = product_of(y, a, b, alpha, beta);
  if (y.count() == 0) return;
  if (a.dtype() == DType::bf16) {
    if (p.k > 0 && multiply_bf16(p)) return;
    Tensor wide_y = y.dtype() == DType::f32 ? y : widened(y);
    Cpu<kernels::matmul_add>::as_part(wide_y, wide_y, widened(a), widened(b), alpha, beta);
    if (y.dtype() != DType::f32) copy(y, wide_y);
  } else if (p.k == 0) {
    if (y.dtype() == DType::f32)
      scale_rows<float>(p);
    else
      scale_rows<double>(p);
  } else if (y.dtype() == DType::f32) {
    multiply_f32(p);
  } else {
    multiply_f64(p);
  }
};

}  // namespace lact::kernels::cpu
