// What every backend wants of the operands of recurrences.
#include "kernels/layout.hpp"
#include "kernels/recurrence.hpp"
#include "kernels/selective_scan.hpp"

namespace lact::kernels {
namespace {

const Check<linear_scan> of_linear_scan = [](const Tensor& y, const Tensor& x, const Tensor& decay, const bool&) {
  check_flat({&y, &x}, "linear_scan");
  check(x.dims() == 3, "linear_scan runs along dim 1 of three, not over {}", text_of(x.shape()));
  if (!decay.defined()) return;
  check(decay.dims() == 3 && decay.dtype() == x.dtype() && decay.dim(0) == x.dim(0) && decay.dim(1) == x.dim(1) &&
            (decay.dim(2) == 0 ? x.dim(2) == 0 : x.dim(2) % decay.dim(2) == 0),
        "linear_scan: {} decays {} for {} {}", name_of(decay.dtype()), text_of(decay.shape()), name_of(x.dtype()),
        text_of(x.shape()));
  check_contiguous(decay, "linear_scan");
};

void check_scores(const Tensor& y, const Tensor& q, const char* kernel) {
  check(q.dims() == 3 && q.dim(1) <= longest_piece, "{} takes pieces of at most {} tokens, not {}", kernel,
        longest_piece, text_of(q.shape()));
  check(y.shape() == Shape{q.dim(0), q.dim(1), q.dim(1)} && y.dtype() == q.dtype(), "{}: scores {} of {}", kernel,
        text_of(y.shape()), text_of(q.shape()));
  check_contiguous(y, kernel);
}
const Check<decayed_scores> of_decayed_scores = [](const Tensor& y, const Tensor& q, const Tensor& k, const Tensor& g) {
  check_flat({&q, &k, &g}, "decayed_scores");
  check_scores(y, q, "decayed_scores");
};
const Check<decayed_scores_grad> of_decayed_scores_grad = [](const DecayedScoresGrad& t) {
  check_flat({&t.q, &t.k, &t.g, &t.dq, &t.dk, &t.dg}, "decayed_scores_grad");
  check_scores(t.dy, t.q, "decayed_scores_grad");
};

const Check<reverse_rows> of_reverse_rows = [](const Tensor& y, const Tensor& x) {
  check_flat({&y, &x}, "reverse_rows");
  check(x.dims() >= 2, "reverse_rows takes [b, n, ...], not {}", text_of(x.shape()));
};
const Check<lower_triangle> of_lower_triangle = [](const Tensor& y, const Tensor& x, const std::int64_t&) {
  check_flat({&y, &x}, "lower_triangle");
  check(x.dims() == 3, "lower_triangle takes matrices [b, m, n], not {}", text_of(x.shape()));
};
const Check<unit_lower_inverse> of_unit_lower_inverse = [](const Tensor& y, const Tensor& x) {
  check_flat({&y, &x}, "unit_lower_inverse");
  check(x.dims() == 3 && x.dim(1) == x.dim(2), "unit_lower_inverse takes square matrices [b, n, n], not {}",
        text_of(x.shape()));
};

void check_shaped(const Tensor& x, const Shape& want, const Tensor& like, const char* name) {
  check(x.defined() && x.shape() == want && x.dtype() == like.dtype(), "selective_scan: {} is {} {}, not {} {}", name,
        x.defined() ? name_of(x.dtype()) : "undefined", x.defined() ? text_of(x.shape()) : "", name_of(like.dtype()),
        text_of(want));
  check_contiguous(x, "selective_scan");
}
struct ScanShapes {
  Shape tokens, rates, of_states, last, starts;
  ScanShapes(const Tensor& u, const Tensor& a) {
    check(u.dims() == 3 && a.defined() && a.dims() == 2, "a selective scan of tokens {} with rates {}",
          text_of(u.shape()), a.defined() ? text_of(a.shape()) : "");
    const std::int64_t s = u.dim(0), t = u.dim(1), d = u.dim(2), n = a.dim(1);
    tokens = {s, t, d}, rates = {d, n}, of_states = {s, t, n}, last = {s, d, n};
    starts = {s, (t + scan_piece - 1) / scan_piece, n, d};
  }
};
const Check<selective_scan> of_selective_scan = [](const SelectiveScan& t) {
  const ScanShapes want(t.u, t.a);
  for (const auto& [x, name] : {std::pair{&t.y, "y"}, {&t.u, "u"}, {&t.delta, "delta"}})
    check_shaped(*x, want.tokens, t.u, name);
  check_shaped(t.a, want.rates, t.u, "a");
  check_shaped(t.b, want.of_states, t.u, "b");
  check_shaped(t.c, want.of_states, t.u, "c");
  check_shaped(t.last, want.last, t.u, "the last state");
  if (t.first.defined()) check_shaped(t.first, want.last, t.u, "the first state");
  check_shaped(t.starts, want.starts, t.u, "the states before pieces");
};
const Check<selective_scan_grad> of_selective_scan_grad = [](const SelectiveScanGrad& t) {
  const ScanShapes want(t.u, t.a);
  for (const auto& [x, name] :
       {std::pair{&t.dy, "dy"}, {&t.u, "u"}, {&t.delta, "delta"}, {&t.du, "du"}, {&t.ddelta, "ddelta"}})
    check_shaped(*x, want.tokens, t.u, name);
  for (const auto& [x, name] : {std::pair{&t.a, "a"}, {&t.da, "da"}}) check_shaped(*x, want.rates, t.u, name);
  for (const auto& [x, name] : {std::pair{&t.b, "b"}, {&t.c, "c"}, {&t.db, "db"}, {&t.dc, "dc"}})
    check_shaped(*x, want.of_states, t.u, name);
  check_shaped(t.dfirst, want.last, t.u, "dfirst");
  if (t.dlast.defined()) check_shaped(t.dlast, want.last, t.u, "dlast");
  check_shaped(t.starts, want.starts, t.u, "the states before pieces");
};

}  // namespace
}  // namespace lact::kernels
