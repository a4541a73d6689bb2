// The public functions: each calls the table of the device on which its first result lives.
#include "base/check.hpp"
#include "kernels/cudnn.hpp"
#include "kernels/layout.hpp"
#include "kernels/table.hpp"
#include "tensor/kernel_ledger.hpp"

namespace lact::kernels {
namespace {

const Table& table_of(Backend b) {
  if (b == Backend::paper) return paper_table();
  return b == Backend::cpu ? cpu_table() : cuda_table();
}

// A kernel of the device on which y lives; that device's ledger is told of its calls.
template <class F>
struct Entry {
  F kernel, cost;
  KernelLedger* ledger;
  template <class... A>
  void operator()(A&&... a) const {
    if (ledger != nullptr) cost(a...);
    kernel(a...);
    if (ledger != nullptr) ledger->asked();
  }
};
template <class F>
Entry<F> entry(F Table::*field, const char* name, const Tensor& y) {
  check(y.defined(), "the result of the kernel {} is undefined", name);
  const Backend b = y.device().backend();
  const F f = table_of(b).*field;
  check(f != nullptr, "no {} kernel for {}", name_of(b), name);
  KernelLedger* ledger = b == Backend::paper ? nullptr : y.device().ledger();
  return {f, ledger != nullptr ? costs_table().*field : nullptr, ledger};
}

}  // namespace

CudnnUse cudnn_use_named(const std::string& name) {
  check(name == "none" || name == "attention" || name == "all", "compute.cudnn={}: none, attention and all are known",
        name);
  return name == "none" ? CudnnUse::none : name == "attention" ? CudnnUse::attention : CudnnUse::all;
}

void unary(Unary f, Tensor y, const Tensor& x, double c) { entry(&Table::unary, "unary", y)(f, y, x, c); }
void binary(Binary f, Tensor y, const Tensor& a, const Tensor& b) { entry(&Table::binary, "binary", y)(f, y, a, b); }
void add_to(Tensor y, const Tensor& x, double c) { entry(&Table::add_to, "add_to", y)(y, x, c); }
void fill(Tensor y, double value) { entry(&Table::fill, "fill", y)(y, value); }
void add_transposed(Tensor y, const Tensor& x) {
  check_flat({&y, &x}, "add_transposed");
  check(y.dims() >= 2 && y.dim(-1) == y.dim(-2), "add_transposed takes square matrices, not {}", text_of(y.shape()));
  check(y.count() == 0 || y.device().backend() == Backend::paper || y.raw() != x.raw(),
        "add_transposed cannot work in place");
  entry(&Table::add_transposed, "add_transposed", y)(y, x);
}
void swiglu(Tensor m, const Tensor& g, const Tensor& h) { entry(&Table::swiglu, "swiglu", m)(m, g, h); }
void swiglu_grad(Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm) {
  entry(&Table::swiglu_grad, "swiglu_grad", dg)(dg, dh, g, h, dm);
}
void rated_gates(Tensor m, Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm,
                 const Tensor& rate0, const Tensor& rate1, const Tensor& rate2) {
  entry(&Table::rated_gates, "rated_gates", m)(m, dg, dh, g, h, dm, rate0, rate1, rate2);
}
void rated_gates_grad(Tensor g_bar, Tensor h_bar, Tensor dm_bar, Tensor rate0_bar, Tensor rate1_bar, Tensor rate2_bar,
                      const Tensor& g, const Tensor& h, const Tensor& dm, const Tensor& rate0, const Tensor& rate1,
                      const Tensor& rate2, const Tensor& a, const Tensor& b, const Tensor& c) {
  entry(&Table::rated_gates_grad, "rated_gates_grad", g_bar)(g_bar, h_bar, dm_bar, rate0_bar, rate1_bar, rate2_bar, g,
                                                             h, dm, rate0, rate1, rate2, a, b, c);
}

void matmul(Tensor y, const Tensor& a, const Tensor& b, double alpha, double beta) {
  entry(&Table::matmul_add, "matmul", y)(y, y, a, b, alpha, beta);
}
void matmul_add(Tensor y, const Tensor& c, const Tensor& a, const Tensor& b, double alpha, double beta) {
  check(c.defined() && c.shape() == y.shape() && c.dtype() == y.dtype() && c.strides() == y.strides(),
        "matmul_add: {} {} is added to {} {} of other strides or type", name_of(c.dtype()), text_of(c.shape()),
        name_of(y.dtype()), text_of(y.shape()));
  entry(&Table::matmul_add, "matmul_add", y)(y, c, a, b, alpha, beta);
}
void swiglu_products(Tensor m, Tensor g, Tensor h, const Tensor& x, const Tensor& w0, const Tensor& w2) {
  entry(&Table::swiglu_products, "swiglu_products", m)(m, g, h, x, w0, w2);
}
void swiglu_grad_product(Tensor dg, Tensor dh, const Tensor& dy, const Tensor& w1, const Tensor& g, const Tensor& h) {
  entry(&Table::swiglu_grad_product, "swiglu_grad_product", dg)(dg, dh, dy, w1, g, h);
}
void rated_gates_product(Tensor m, Tensor dg, Tensor dh, Tensor dm, const Tensor& v, const Tensor& w1, const Tensor& g,
                         const Tensor& h, const Tensor& rate0, const Tensor& rate1, const Tensor& rate2) {
  entry(&Table::rated_gates_product, "rated_gates_product", m)(m, dg, dh, dm, v, w1, g, h, rate0, rate1, rate2);
}
void gelu_product(Tensor y, Tensor u, const Tensor& x, const Tensor& w) {
  entry(&Table::gelu_product, "gelu_product", y)(y, u, x, w);
}
void gelu_grad_product(Tensor du, const Tensor& dy, const Tensor& w, const Tensor& u) {
  entry(&Table::gelu_grad_product, "gelu_grad_product", du)(du, dy, w, u);
}

void sum_to(Tensor y, const Tensor& x) { entry(&Table::sum_to, "sum_to", y)(y, x); }
void squared_norm(Tensor y, const Tensor& x) { entry(&Table::squared_norm, "squared_norm", y)(y, x); }
void rms_norm(Tensor y, Tensor r, const Tensor& x, const Tensor& w, double eps) {
  entry(&Table::rms_norm, "rms_norm", y)(y, r, x, w, eps);
}
void rms_norm_grad(Tensor dx, Tensor dw, const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& r) {
  entry(&Table::rms_norm_grad, "rms_norm_grad", dx)(dx, dw, dy, x, w, r);
}
void layer_norm(Tensor y, Tensor mean, Tensor r, const Tensor& x, const Tensor& w, double eps) {
  entry(&Table::layer_norm, "layer_norm", y)(y, mean, r, x, w, eps);
}
void layer_norm_grad(Tensor dx, Tensor dw, const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& mean,
                     const Tensor& r, const Tensor& beside) {
  entry(&Table::layer_norm_grad, "layer_norm_grad", dx)(dx, dw, dy, x, w, mean, r, beside);
}
void add_layer_norm(Tensor s, Tensor y, Tensor mean, Tensor r, const Tensor& a, const Tensor& b, const Tensor& w,
                    double eps) {
  entry(&Table::add_layer_norm, "add_layer_norm", s)(s, y, mean, r, a, b, w, eps);
}
void l2_norm(Tensor y, Tensor norm, const Tensor& x, double eps) {
  entry(&Table::l2_norm, "l2_norm", y)(y, norm, x, eps);
}
void l2_norm_grad(Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm, double eps) {
  entry(&Table::l2_norm_grad, "l2_norm_grad", dx)(dx, dy, x, norm, eps);
}
void silu_rows(Tensor y, Tensor norm, const Tensor& x, double eps) {
  entry(&Table::silu_rows, "silu_rows", y)(y, norm, x, eps);
}
void silu_rows_grad(Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm, double eps) {
  entry(&Table::silu_rows_grad, "silu_rows_grad", dx)(dx, dy, x, norm, eps);
}
void column_norm(Tensor norm, const Tensor& w) { entry(&Table::column_norm, "column_norm", norm)(norm, w); }
void keep_column_norm(Tensor y, Tensor norm, const Tensor& w, const Tensor& target, double eps) {
  entry(&Table::keep_column_norm, "keep_column_norm", y)(y, norm, w, target, eps);
}
void keep_column_norm_grad(Tensor dw, Tensor dtarget, const Tensor& dy, const Tensor& w, const Tensor& norm,
                           const Tensor& target, double eps) {
  entry(&Table::keep_column_norm_grad, "keep_column_norm_grad", dw)(dw, dtarget, dy, w, norm, target, eps);
}

void softmax(Tensor y, const Tensor& x, double scale, Mask mask) {
  entry(&Table::softmax, "softmax", y)(y, x, scale, mask);
}
void softmax_grad(Tensor dx, const Tensor& dy, const Tensor& y, double scale) {
  entry(&Table::softmax_grad, "softmax_grad", dx)(dx, dy, y, scale);
}
void attention(Tensor o, Tensor lse, const Tensor& q, const Tensor& k, const Tensor& v, double scale, Mask mask) {
  entry(&Table::attention, "attention", o)(o, lse, q, k, v, scale, mask);
}
void attention_grad(Tensor dq, Tensor dk, Tensor dv, const Tensor& dout, const Tensor& q, const Tensor& k,
                    const Tensor& v, const Tensor& o, const Tensor& lse, double scale, Mask mask) {
  entry(&Table::attention_grad, "attention_grad", dq)(dq, dk, dv, dout, q, k, v, o, lse, scale, mask);
}
void log_sum_exp(Tensor y, const Tensor& x) { entry(&Table::log_sum_exp, "log_sum_exp", y)(y, x); }
void pick(Tensor y, const Tensor& x, const Tensor& index) { entry(&Table::pick, "pick", y)(y, x, index); }
void place(Tensor dx, const Tensor& dy, const Tensor& index) { entry(&Table::place, "place", dx)(dx, dy, index); }
void has_index(Tensor y, const Tensor& index) { entry(&Table::has_index, "has_index", y)(y, index); }

void rays(Tensor y, const Tensor& intrinsics, const Tensor& poses) {
  check(y.dims() == 5 && poses.dims() == 4 && intrinsics.contiguous() && poses.contiguous() && y.contiguous(),
        "rays {} of poses {}", text_of(y.shape()), text_of(poses.shape()));
  entry(&Table::rays, "rays", y)(y, intrinsics, poses);
}
void view_tokens(Tensor y, const Tensor& intrinsics, const Tensor& poses, const Tensor& images, std::int64_t h,
                 std::int64_t w, std::int64_t p) {
  check(p > 0 && h % p == 0 && w % p == 0, "a resolution of {} x {} does not divide into patches of {}", h, w, p);
  check(intrinsics.contiguous() && poses.contiguous() && (!images.defined() || images.contiguous()),
        "views must be contiguous");
  check(y.count() == poses.dim(0) * poses.dim(1) * h * w * 12, "tokens of shape {} for {} views of {} x {}",
        text_of(y.shape()), poses.dim(0) * poses.dim(1), h, w);
  entry(&Table::view_tokens, "view_tokens", y)(y, intrinsics, poses, images, h, w, p);
}

namespace {
void check_verdict(const Tensor& t) {
  constexpr std::int64_t numbers = sizeof(Verdict) / sizeof(double);
  check(t.defined() && t.dtype() == DType::f64 && t.contiguous() && t.count() == numbers,
        "the verdict on a step is f64 [{}]", numbers);
}
}  // namespace

void judge(Tensor verdict, const Tensor& sums, const Limits& limits) {
  check_verdict(verdict);
  check(sums.dtype() == DType::f64 && sums.contiguous() && sums.count() >= 2,
        "a step is judged by its loss and squared norm in f64");
  entry(&Table::judge, "judge", verdict)(verdict, sums, limits);
}
void adamw(Tensor p, Tensor m, Tensor v, const Tensor& g, const Tensor& verdict, const Tensor& rate, const AdamW& a) {
  check_verdict(verdict);
  check(rate.dtype() == DType::f64 && rate.count() == 1, "the rate of a step is f64 [1]");
  entry(&Table::adamw, "adamw", p)(p, m, v, g, verdict, rate, a);
}

}  // namespace lact::kernels
