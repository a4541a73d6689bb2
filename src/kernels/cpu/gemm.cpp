// Strided batched products. f32: one-thread calls of oneDNN's sgemm on pieces whose size depends on the shape only, so
// the number of threads changes no bit, and many small products run side by side. f64: our own product in fixed order.
#include <dnnl.h>
#include <omp.h>

#include <atomic>
#include <cmath>

#include "kernels/cpu/cpu.hpp"
#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/product.hpp"
#include "kernels/cpu/split.hpp"

namespace lact::kernels {
namespace {

std::int64_t row_step(const Tensor& t) { return t.strides().end()[-2]; }
std::int64_t column_step(const Tensor& t) { return t.strides().end()[-1]; }

void check_fit(const Tensor& y, const Tensor& a, const Tensor& b) {
  check(a.defined() && b.defined() && y.dims() >= 2 && a.dims() == y.dims() && b.dims() == y.dims(),
        "matmul takes matrices with equal leading dims, not {} x {} -> {}", text_of(a.shape()), text_of(b.shape()),
        text_of(y.shape()));
  bool fits = a.dim(-2) == y.dim(-2) && b.dim(-2) == a.dim(-1) && b.dim(-1) == y.dim(-1);
  for (int d = 0; d + 2 < y.dims(); ++d) fits = fits && a.dim(d) == y.dim(d) && b.dim(d) == y.dim(d);
  check(fits, "matmul: shapes {} x {} -> {} do not fit", text_of(a.shape()), text_of(b.shape()), text_of(y.shape()));
  check(column_step(y) == 1 || y.dim(-1) <= 1, "matmul: the rows of the result must be contiguous");
  for (const Tensor* t : {&a, &b})
    check(row_step(*t) == 1 || column_step(*t) == 1 || t->dim(-2) <= 1 || t->dim(-1) <= 1,
          "matmul: one of the last two strides must be 1, not {} of shape {}", text_of(t->strides()),
          text_of(t->shape()));
  const bool low =
      a.dtype() == DType::bf16 && b.dtype() == DType::bf16 && (y.dtype() == DType::f32 || y.dtype() == DType::bf16);
  const bool same =
      a.dtype() == y.dtype() && b.dtype() == y.dtype() && (y.dtype() == DType::f32 || y.dtype() == DType::f64);
  check(low || same, "matmul: there is no product of types {} x {} -> {}", name_of(a.dtype()), name_of(b.dtype()),
        name_of(y.dtype()));
}

// Writes t as BLAS takes it; t becomes a copy where its strides do not fit (one repeated row, say).
Operand operand_of(Tensor& t) {
  const std::int64_t rows = t.dim(-2), columns = t.dim(-1);
  if (column_step(t) == 1 || columns <= 1) {
    if (rows <= 1) return {std::max<std::int64_t>(columns, 1), false};
    if (row_step(t) >= std::max<std::int64_t>(columns, 1)) return {row_step(t), false};
  }
  if (row_step(t) == 1 || rows <= 1) {
    if (columns <= 1) return {std::max<std::int64_t>(rows, 1), true};
    if (column_step(t) >= std::max<std::int64_t>(rows, 1)) return {column_step(t), true};
  }
  Tensor flat = like(t);
  cpu::copy(flat, t);
  t = flat;
  return {std::max<std::int64_t>(columns, 1), false};
}

}  // namespace

Product product_of(const Tensor& y, const Tensor& a, const Tensor& b, double alpha, double beta) {
  check_fit(y, a, b);
  Product p{.y = y, .a = a, .b = b, .m = y.dim(-2), .n = y.dim(-1), .k = a.dim(-1), .alpha = alpha, .beta = beta};
  p.left = operand_of(p.a);
  p.right = operand_of(p.b);
  p.y_row = p.m > 1 ? row_step(y) : std::max<std::int64_t>(p.n, 1);
  check(p.y_row >= p.n, "matmul: the rows of the result overlap (stride {}, {} columns)", p.y_row, p.n);
  for (std::size_t d = 0; d + 2 < y.shape().size(); ++d)
    p.items.push(y.shape()[d], {p.y.strides()[d], p.a.strides()[d], p.b.strides()[d]});
  p.items.close();
  // One matrix b for all items, and items of a and y below each other: one tall product.
  const auto& step = p.items.step;
  if (p.items.dims == 1 && p.items.size[0] > 1 && step[2][0] == 0 && !p.left.transposed &&
      step[1][0] == p.m * p.left.step && step[0][0] == p.m * p.y_row) {
    p.m *= p.items.size[0];
    p.items = {};
    p.items.close();
  }
  return p;
}

namespace cpu {
namespace {

struct Item {
  std::int64_t y, a, b;  // offsets
};
Item item_at(const Layout<3>& l, std::int64_t i) {
  Item at{0, 0, 0};
  for (std::size_t d = std::size_t(l.dims); d-- > 0;) {
    const std::int64_t j = i % l.size[d];
    i /= l.size[d];
    at.y += j * l.step[0][d];
    at.a += j * l.step[1][d];
    at.b += j * l.step[2][d];
  }
  return at;
}

// y *= beta, for products over nothing.
template <class T>
void scale_rows(const Product& p) {
  for (std::int64_t i = 0; i < p.items.count(); ++i)
    for (std::int64_t r = 0; r < p.m; ++r) {
      T* row = p.y.data<T>() + item_at(p.items, i).y + r * p.y_row;
      for (std::int64_t j = 0; j < p.n; ++j) row[j] = p.beta == 0 ? T(0) : T(p.beta) * row[j];
    }
}

class OneThread {  // oneDNN asks OpenMP how many threads it may use
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// Pieces of about 8 million multiplications and additions: 50 us, long against a call and short against a step. A piece
// of few rows pays for packing all of b, so there are at most 8 or pieces of 128 rows; an even number suits an even
// number of threads.
void multiply_f32(const Product& p) {
  const double work = 2.0 * double(p.m) * double(p.n) * double(p.k);
  const bool tall = p.m >= p.n;
  const std::int64_t length = tall ? p.m : p.n, unit = tall ? 16 : 48;  // sgemm works in steps of 8 rows and 48 columns
  std::int64_t wanted = std::min<std::int64_t>(std::llround(work / 8e6), std::max<std::int64_t>(8, length / 128));
  wanted = wanted > 1 ? (wanted + 1) / 2 * 2 : 1;
  const std::int64_t items = p.items.count();
  const std::int64_t piece = std::max(unit, (length + wanted * unit - 1) / (wanted * unit) * unit);
  const std::int64_t pieces = (length + piece - 1) / piece;
  const auto grain = std::int64_t(1e6 / (work / double(pieces))) + 1;
  std::atomic<bool> refused = false;
  split(items * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
    const OneThread one;
    for (std::int64_t i = begin; i < end; ++i) {
      const Item at = item_at(p.items, i / pieces);
      const std::int64_t first = i % pieces * piece, size = std::min(piece, length - first);
      const float* a = p.a.data<float>() + at.a + (tall ? first * (p.left.transposed ? 1 : p.left.step) : 0);
      const float* b = p.b.data<float>() + at.b + (tall ? 0 : first * (p.right.transposed ? p.right.step : 1));
      float* y = p.y.data<float>() + at.y + (tall ? first * p.y_row : first);
      const auto status = dnnl_sgemm(p.left.transposed ? 'T' : 'N', p.right.transposed ? 'T' : 'N', tall ? size : p.m,
                                     tall ? p.n : size, p.k, float(p.alpha), a, p.left.step, b, p.right.step,
                                     float(p.beta), y, p.y_row);
      if (status != dnnl_success) refused = true;
    }
  });
  check(!refused, "oneDNN refused a product of {} x {} x {}", p.m, p.n, p.k);
}

// Strips of 64 columns: b's strip is packed, sums of 48 rows are kept beside it.
void multiply_f64(const Product& p) {
  constexpr std::int64_t wide = 64, tall = 48;
  const std::int64_t strips = (p.n + wide - 1) / wide;
  const std::int64_t b_row = p.right.transposed ? 1 : p.right.step, b_column = p.right.transposed ? p.right.step : 1;
  const std::int64_t a_row = p.left.transposed ? 1 : p.left.step, a_column = p.left.transposed ? p.left.step : 1;
  split(p.items.count() * strips, rows_worth(500000, p.m * wide * p.k), [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> packed(static_cast<std::size_t>(p.k * wide)), sums(static_cast<std::size_t>(tall * wide));
    for (std::int64_t i = begin; i < end; ++i) {
      const Item at = item_at(p.items, i / strips);
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

void matmul(Tensor y, const Tensor& a, const Tensor& b, double alpha, double beta) {
  const Product p = product_of(y, a, b, alpha, beta);
  if (y.count() == 0) return;
  if (a.dtype() == DType::bf16) {
    if (p.k > 0 && multiply_bf16(p)) return;
    Tensor wide_y = y.dtype() == DType::f32 ? y : widened(y);
    matmul(wide_y, widened(a), widened(b), alpha, beta);
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
}

}  // namespace cpu
}  // namespace lact::kernels
