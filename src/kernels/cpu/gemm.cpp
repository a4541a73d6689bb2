// Strided batched products. f32: one-thread calls of oneDNN's sgemm on pieces whose size depends on the shape only, so
// the number of threads changes no bit, and many small products run side by side. f64: our own product in fixed order.
#include <dnnl.h>
#include <omp.h>

#include <atomic>
#include <cmath>

#include "kernels/cpu/cpu.hpp"
#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/gemm.hpp"
#include "kernels/product.hpp"

namespace lact::kernels {
namespace cpu {
namespace {

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
      const ItemPlace at = item_at(p.items, i / pieces);
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

void matmul_add(Tensor y, const Tensor& c, const Tensor& a, const Tensor& b, double alpha, double beta) {
  if (beta != 0 && y.raw() != c.raw()) copy(y, c);
  const Product p = product_of(y, a, b, alpha, beta);
  if (y.count() == 0) return;
  if (a.dtype() == DType::bf16) {
    if (p.k > 0 && multiply_bf16(p)) return;
    Tensor wide_y = y.dtype() == DType::f32 ? y : widened(y);
    matmul_add(wide_y, wide_y, widened(a), widened(b), alpha, beta);
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

std::string product_library() {
  const dnnl_version_t* v = dnnl_version();
  return sentence("oneDNN {}.{}.{}", v->major, v->minor, v->patch);
}

}  // namespace lact::kernels
