#include "kernels/attention_checks.hpp"

#include "kernels/layout.hpp"

namespace lact::kernels {

AttentionSizes attention_sizes(const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k, const Tensor& v) {
  for (const Tensor* t : {&o, &q, &k, &v}) {
    check(t->defined() && t->dims() == 4 && t->dtype() == q.dtype(),
          "attention takes [b, h, T, d] of one type, not {} {}", name_of(t->dtype()), text_of(t->shape()));
    check(t->dim(3) <= 1 || t->strides()[3] == 1, "attention: the rows of a view of shape {} must be contiguous",
          text_of(t->shape()));
  }
  const AttentionSizes s{q.dim(0), q.dim(1), q.dim(2), k.dim(2), q.dim(3), v.dim(3)};
  check(k.shape() == Shape{s.batch, s.heads, s.keys, s.d}, "attention: keys {} for queries {}", text_of(k.shape()),
        text_of(q.shape()));
  check(v.shape() == Shape{s.batch, s.heads, s.keys, s.dv}, "attention: values {} for keys {}", text_of(v.shape()),
        text_of(k.shape()));
  check(o.shape() == Shape{s.batch, s.heads, s.queries, s.dv}, "attention: outputs {} for queries {} and values {}",
        text_of(o.shape()), text_of(q.shape()), text_of(v.shape()));
  const DType stats = q.dtype() == DType::bf16 ? DType::f32 : q.dtype();
  check(lse.defined() && lse.dtype() == stats && lse.shape() == Shape{s.batch, s.heads, s.queries} && lse.contiguous(),
        "attention: log-sum-exp {} for queries {}", text_of(lse.shape()), text_of(q.shape()));
  return s;
}

AttentionSizes attention_grad_sizes(const AttentionGrad& t) {
  const AttentionSizes s = attention_sizes(t.o, t.lse, t.q, t.k, t.v);
  attention_sizes(t.dout, t.lse, t.dq, t.dk, t.dv);
  check(t.dq.shape() == t.q.shape() && t.dk.shape() == t.k.shape() && t.dv.shape() == t.v.shape() &&
            t.dq.dtype() == t.q.dtype(),
        "attention_grad: gradients {} {} {} of queries {}, keys {}, values {}", text_of(t.dq.shape()),
        text_of(t.dk.shape()), text_of(t.dv.shape()), text_of(t.q.shape()), text_of(t.k.shape()), text_of(t.v.shape()));
  return s;
}

void check_softmax(const Tensor& y, const Tensor& x, const Mask& mask) {
  check_flat({&y, &x}, "softmax");
  check(x.dims() >= 2 || !mask.causal, "a causal softmax needs [..., Tq, Tk], not {}", text_of(x.shape()));
}

void check_log_sum_exp(const Tensor& y, const Tensor& x) {
  check(x.defined() && x.dims() == 2 && y.count() == x.dim(0) && y.dtype() == x.dtype(),
        "log_sum_exp: {} numbers for rows of {}", y.count(), text_of(x.shape()));
  check_contiguous(y, "log_sum_exp");
  check_contiguous(x, "log_sum_exp");
}

void check_picks(const Tensor& y, const Tensor& x, const Tensor& index, const char* kernel) {
  check(y.defined(), "{}: the numbers of the rows are undefined", kernel);
  check(x.defined() && x.dims() == 2 && y.count() == x.dim(0) && y.dtype() == x.dtype(),
        "{}: {} numbers for rows of {}", kernel, y.count(), text_of(x.shape()));
  check(index.defined() && index.dtype() == DType::i32 && index.count() == x.dim(0), "{} needs one i32 index per row",
        kernel);
  for (const Tensor* t : {&x, &y, &index}) check_contiguous(*t, kernel);
}

void check_has_index(const Tensor& y, const Tensor& index) {
  check(index.defined() && index.dtype() == DType::i32 && index.count() == y.count(), "has_index needs i32 indices");
  check_contiguous(y, "has_index");
  check_contiguous(index, "has_index");
}

}  // namespace lact::kernels
