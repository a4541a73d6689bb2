// A product's shapes, strides and types, checked and simplified for every backend.
#include "kernels/product.hpp"

#include "kernels/pointwise.hpp"

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

// How BLAS reads t. Where it cannot (one row repeated by a stride of 0, say), t becomes a contiguous copy.
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
  unary(Unary::copy, flat, t);
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
  // All items multiply the same matrix b, and the items of a, and of y, lie below each other in memory: then the batch
  // is one product of m x items rows.
  const auto& step = p.items.step;
  if (p.items.dims == 1 && p.items.size[0] > 1 && step[2][0] == 0 && !p.left.transposed &&
      step[1][0] == p.m * p.left.step && step[0][0] == p.m * p.y_row) {
    p.m *= p.items.size[0];
    p.items = {};
    p.items.close();
  }
  return p;
}

}  // namespace lact::kernels
