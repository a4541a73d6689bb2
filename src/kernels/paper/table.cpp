// Kernels that compute nothing and tell the ledger of their device what they cost.
#include <algorithm>
#include <initializer_list>

#include "kernels/table.hpp"
#include "tensor/kernel_ledger.hpp"

namespace lact::kernels {
namespace {

using Work = KernelLedger::Work;

// Numbers that an expanded dim repeats are read once.
double bytes_of(const Tensor& t) {
  if (!t.defined()) return 0;
  auto n = double(size_of(t.dtype()));
  for (int i = 0; i < t.dims(); ++i)
    if (t.strides()[std::size_t(i)] != 0) n *= double(t.dim(i));
  return n;
}
template <class A>
double bytes_of(const A&) {
  return 0;
}

void charge(const Tensor& result, Work work, const std::string& kernel, double operations, double bytes) {
  result.device().ledger()->charge(work, kernel, operations, bytes);
}

struct Name {  // of a kernel, as a template argument
  char text[32] = {};
  template <std::size_t n>
  consteval Name(const char (&s)[n]) {
    std::copy_n(s, n, text);
  }
};

const Tensor& first_tensor(const Tensor& t, const auto&...) { return t; }
const Tensor& first_tensor(const auto&, const auto&... rest) { return first_tensor(rest...); }

std::string named(const char* kernel, const auto&...) { return kernel; }
std::string named(const char*, const Unary& f, const auto&...) { return name_of(f); }
std::string named(const char*, const Binary& f, const auto&...) { return name_of(f); }

// An entry that moves its tensors once.
template <Name name, class... A>
void moves(void (*&entry)(A...)) {
  entry = [](A... a) { charge(first_tensor(a...), Work::elements, named(name.text, a...), 0, (bytes_of(a) + ...)); };
}

void matmul_add(Tensor y, const Tensor& c, const Tensor& a, const Tensor& b, double, double beta) {
  double moved = bytes_of(a) + bytes_of(b) + bytes_of(y) + (beta == 0 ? 0 : bytes_of(c));
  const bool narrow = a.dtype() == DType::bf16;
  charge(y, narrow ? Work::bf16_product : Work::product, narrow ? "matmul bf16" : "matmul",
         2 * double(y.count()) * double(a.dim(-1)), moved);
}

// A product, or two of the same size, that reads and writes these tensors once.
void charge_fused(const char* kernel, const Tensor& y, const Tensor& a, double products,
                  std::initializer_list<const Tensor*> moved) {
  double bytes = 0;
  for (const Tensor* t : moved) bytes += bytes_of(*t);
  const bool narrow = a.dtype() == DType::bf16;
  charge(y, narrow ? Work::bf16_product : Work::product, kernel, 2 * products * double(y.count()) * double(a.dim(-1)),
         bytes);
}
void swiglu_products(Tensor m, Tensor g, Tensor h, const Tensor& x, const Tensor& w0, const Tensor& w2) {
  charge_fused("swiglu_products", m, x, 2, {&m, &g, &h, &x, &w0, &w2});
}
void swiglu_grad_product(Tensor dg, Tensor dh, const Tensor& dy, const Tensor& w1, const Tensor& g, const Tensor& h) {
  charge_fused("swiglu_grad_product", dg, dy, 1, {&dg, &dh, &dy, &w1, &g, &h});
}
void rated_gates_product(Tensor m, Tensor dg, Tensor dh, Tensor dm, const Tensor& v, const Tensor& w1, const Tensor& g,
                         const Tensor& h, const Tensor& rate0, const Tensor& rate1, const Tensor& rate2) {
  charge_fused("rated_gates_product", m, v, 1, {&m, &dg, &dh, &dm, &v, &w1, &g, &h, &rate0, &rate1, &rate2});
}
void gelu_product(Tensor y, Tensor u, const Tensor& x, const Tensor& w) {
  charge_fused("gelu_product", y, x, 1, {&y, &u, &x, &w});
}
void gelu_grad_product(Tensor du, const Tensor& dy, const Tensor& w, const Tensor& u) {
  charge_fused("gelu_grad_product", du, dy, 1, {&du, &dy, &w, &u});
}

// Pairs of a query and a key that it sees, over all heads.
double seen(const Tensor& q, const Tensor& k, Mask mask) {
  auto items = double(q.dim(0) * q.dim(1)), queries = double(q.dim(2)), keys = double(k.dim(2));
  if (!mask.causal) return items * queries * keys;
  return items * queries * (mask.window > 0 ? std::min(double(mask.window), keys) : keys / 2);
}

void attention(Tensor o, Tensor lse, const Tensor& q, const Tensor& k, const Tensor& v, double, Mask mask) {
  double moved = bytes_of(o) + bytes_of(lse) + bytes_of(q) + bytes_of(k) + bytes_of(v);
  charge(o, Work::attention, "attention", 2 * seen(q, k, mask) * double(q.dim(3) + v.dim(3)), moved);
}

void attention_grad(Tensor dq, Tensor, Tensor, const Tensor&, const Tensor& q, const Tensor& k, const Tensor& v,
                    const Tensor& o, const Tensor& lse, double, Mask mask) {
  double moved = 2 * (bytes_of(q) + bytes_of(k) + bytes_of(v) + bytes_of(o)) + bytes_of(lse);
  charge(dq, Work::attention, "attention_grad", 2 * seen(q, k, mask) * double(3 * q.dim(3) + 2 * v.dim(3)), moved);
}

// in_parts: products and what follows them as the kernels that they consist of.
Table made(bool in_parts) {
  Table t;
  moves<"unary">(t.unary), moves<"binary">(t.binary), moves<"add_to">(t.add_to), moves<"fill">(t.fill);
  moves<"add_transposed">(t.add_transposed);
  moves<"swiglu">(t.swiglu), moves<"swiglu_grad">(t.swiglu_grad), moves<"rated_gates">(t.rated_gates);
  moves<"rated_gates_grad">(t.rated_gates_grad);
  moves<"sum_to">(t.sum_to), moves<"squared_norm">(t.squared_norm);
  moves<"rms_norm">(t.rms_norm), moves<"rms_norm_grad">(t.rms_norm_grad);
  moves<"layer_norm">(t.layer_norm), moves<"layer_norm_grad">(t.layer_norm_grad);
  moves<"add_layer_norm">(t.add_layer_norm);
  moves<"silu_rows">(t.silu_rows), moves<"silu_rows_grad">(t.silu_rows_grad);
  moves<"l2_norm">(t.l2_norm), moves<"l2_norm_grad">(t.l2_norm_grad), moves<"column_norm">(t.column_norm);
  moves<"keep_column_norm">(t.keep_column_norm), moves<"keep_column_norm_grad">(t.keep_column_norm_grad);
  moves<"softmax">(t.softmax), moves<"softmax_grad">(t.softmax_grad), moves<"log_sum_exp">(t.log_sum_exp);
  moves<"pick">(t.pick), moves<"place">(t.place), moves<"has_index">(t.has_index);
  moves<"rays">(t.rays), moves<"view_tokens">(t.view_tokens), moves<"judge">(t.judge), moves<"adamw">(t.adamw);
  t.matmul_add = matmul_add, t.attention = attention, t.attention_grad = attention_grad;
  t.swiglu_products = swiglu_products, t.swiglu_grad_product = swiglu_grad_product;
  t.rated_gates_product = rated_gates_product, t.gelu_product = gelu_product, t.gelu_grad_product = gelu_grad_product;
  if (!in_parts) return t;
  t.swiglu_products = composed::swiglu_products, t.swiglu_grad_product = composed::swiglu_grad_product;
  t.rated_gates_product = composed::rated_gates_product;
  t.gelu_product = composed::gelu_product, t.gelu_grad_product = composed::gelu_grad_product;
  return t;
}

}  // namespace

const Table& paper_table() {
  static const Table table = made(true);
  return table;
}
const Table& costs_table() {
  static const Table table = made(false);
  return table;
}

}  // namespace lact::kernels
