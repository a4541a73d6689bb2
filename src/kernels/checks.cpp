// What every backend wants of the operands of the kernels whose backends check nothing themselves.
#include "kernels/embedding.hpp"
#include "kernels/gemm.hpp"
#include "kernels/layout.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/rays.hpp"
#include "kernels/tokens.hpp"
#include "kernels/update.hpp"

namespace lact::kernels {
namespace {

const Check<add_transposed> of_add_transposed = [](const Tensor& y, const Tensor& x) {
  check_flat({&y, &x}, "add_transposed");
  check(y.dims() >= 2 && y.dim(-1) == y.dim(-2), "add_transposed takes square matrices, not {}", text_of(y.shape()));
  check(y.count() == 0 || y.device().backend() == Backend::paper || y.raw() != x.raw(),
        "add_transposed cannot work in place");
};

const Check<matmul_add> of_matmul_add = [](const Tensor& y, const Tensor& c, const Tensor&, const Tensor&,
                                           const double&, const double&) {
  check(c.defined() && c.shape() == y.shape() && c.dtype() == y.dtype() && c.strides() == y.strides(),
        "matmul_add: {} {} is added to {} {} of other strides or type", name_of(c.dtype()), text_of(c.shape()),
        name_of(y.dtype()), text_of(y.shape()));
};

const Check<rays> of_rays = [](const Tensor& y, const Tensor& intrinsics, const Tensor& poses) {
  check(y.dims() == 5 && poses.dims() == 4 && intrinsics.contiguous() && poses.contiguous() && y.contiguous(),
        "rays {} of poses {}", text_of(y.shape()), text_of(poses.shape()));
};

const Check<view_tokens> of_view_tokens = [](const Tensor& y, const Tensor& intrinsics, const Tensor& poses,
                                             const Tensor& images, const std::int64_t& h, const std::int64_t& w,
                                             const std::int64_t& p) {
  check(p > 0 && h % p == 0 && w % p == 0, "a resolution of {} x {} does not divide into patches of {}", h, w, p);
  check(intrinsics.contiguous() && poses.contiguous() && (!images.defined() || images.contiguous()),
        "views must be contiguous");
  check(y.count() == poses.dim(0) * poses.dim(1) * h * w * token_channels, "tokens of shape {} for {} views of {} x {}",
        text_of(y.shape()), poses.dim(0) * poses.dim(1), h, w);
};

void check_lookup(const char* kernel, const Tensor& rows, const Tensor& table, const Tensor& index) {
  check(rows.dims() == 2 && table.dims() == 2 && rows.dim(1) == table.dim(1) && rows.dtype() == table.dtype() &&
            index.dtype() == DType::i32 && index.shape() == Shape{rows.dim(0)},
        "{}: {} {} are no rows of {} {} by an index {}", kernel, name_of(rows.dtype()), text_of(rows.shape()),
        name_of(table.dtype()), text_of(table.shape()), text_of(index.shape()));
  for (const Tensor* t : {&rows, &table, &index}) check_contiguous(*t, kernel);
}

const Check<embedding> of_embedding = [](const Tensor& y, const Tensor& table, const Tensor& index) {
  check_lookup("embedding", y, table, index);
};
const Check<embedding_grad> of_embedding_grad = [](const Tensor& dtable, const Tensor& dy, const Tensor& index) {
  check_lookup("embedding_grad", dy, dtable, index);
};

const Check<within> of_within = [](const Tensor& y, const Tensor& x, const std::int64_t&, const std::int64_t&) {
  check_flat({&y, &x}, "within");
  check(x.dtype() == DType::i32, "within takes i32, not {}", name_of(x.dtype()));
};

const Check<positions> of_positions = [](const Tensor& y, const std::int64_t& first, const std::int64_t& period) {
  check(y.dtype() == DType::i32 && y.dims() == 1, "positions are i32 [t], not {} {}", name_of(y.dtype()),
        text_of(y.shape()));
  check(first >= 0 && period > 0 && period <= 1 << 30, "positions from {} on, modulo {}", first, period);
  check_contiguous(y, "positions");
};

const Check<turn> of_turn = [](const Tensor& y, const Tensor& x, const Tensor& places, const Rope& rope, const bool&) {
  check_same(y, x, "rope");
  check_contiguous(y, "rope");
  check_contiguous(places, "rope");
  check(x.dims() == 4 && x.dim(3) % 2 == 0 && (x.dim(3) == 0 || x.strides()[3] == 1),
        "rope turns pairs of channels of [b, h, t, d], not of {} with strides {}", text_of(x.shape()),
        text_of(x.strides()));
  check(places.dtype() == DType::i32 && places.shape() == Shape{x.dim(2)}, "rope: positions {} of {} tokens",
        text_of(places.shape()), x.dim(2));
  check(rope.theta > 0, "rope: the base {} is not positive", rope.theta);
};

void check_verdict(const Tensor& t) {
  constexpr std::int64_t numbers = sizeof(Verdict) / sizeof(double);
  check(t.defined() && t.dtype() == DType::f64 && t.contiguous() && t.count() == numbers,
        "the verdict on a step is f64 [{}]", numbers);
}

const Check<judge> of_judge = [](const Tensor& verdict, const Tensor& sums, const Limits&) {
  check_verdict(verdict);
  check(sums.dtype() == DType::f64 && sums.contiguous() && sums.count() >= 2,
        "a step is judged by its loss and squared norm in f64");
};

const Check<adamw> of_adamw = [](const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor& verdict,
                                 const Tensor& rate, const AdamW&) {
  check_verdict(verdict);
  check(rate.dtype() == DType::f64 && rate.count() == 1, "the rate of a step is f64 [1]");
};

}  // namespace
}  // namespace lact::kernels
