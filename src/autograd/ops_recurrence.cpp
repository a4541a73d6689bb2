// What the chunk-parallel forms of linear recurrences are made of, and the selective scan.
#include <algorithm>
#include <array>

#include "autograd/broadcast.hpp"
#include "autograd/operands.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/recurrence.hpp"
#include "kernels/selective_scan.hpp"

namespace lact {
namespace {

// The rows of dim 1 moved by one: row i becomes row i + 1, and the first are zeros.
Var one_later(const Var& x) {
  const std::int64_t n = x.dim(1);
  return n == 0 ? x : pad(cut(x, 1, {0, n - 1}), 1, {1, n}, n);
}

// [b, n, r] sums over the m / r neighbours that share a decay.
Var sum_of_neighbours(const Var& x, std::int64_t r) {
  if (x.dim(2) == r || r == 0) return x;
  const Var apart = view(x, {x.dim(0), x.dim(1), r, x.dim(2) / r});
  return view(sum_to(apart, {x.dim(0), x.dim(1), r, 1}), {x.dim(0), x.dim(1), r});
}

Var scan(const Var& x, const Var& decay, bool backwards) {
  if (decay) one_type("linear_scan", std::array{x, decay});
  const Tensor xv = dense(x.value()), dv = decay ? dense(decay.value()) : Tensor(), y = like(xv);
  kernels::linear_scan(y, xv, dv, backwards);
  if (!decay) return op("linear_scan", y, {x}, [backwards](const Var& dy) { return Grads{scan(dy, {}, !backwards)}; });
  // A decay takes a number of one scan to the next: that of the values and of the gradients run against each other.
  return op("linear_scan", y, {x, decay}, [decay, backwards](const Var& dy, const Var& value) {
    const Var dx = scan(dy, decay, !backwards);
    const Var both = backwards ? mul(one_later(dx), value) : mul(dx, one_later(value));
    return Grads{dx, decay.tape() ? sum_of_neighbours(both, decay.dim(2)) : Var()};
  });
}

// The exponents of all pairs as sums of the gates between them: [b, n, n, d].
Var scores_by_pairs(std::span<const Var> in) {
  const Var &q = in[0], &k = in[1], &g = in[2];
  const std::int64_t b = q.dim(0), n = q.dim(1);
  std::vector<Var> rows;
  for (std::int64_t t = 0; t < n; ++t) {
    // row s: the gates after s and up to t
    const Var upto = pad(cut(g, 1, {0, t + 1}), 1, {0, t + 1}, n);
    const Var from = scan(upto, {}, true);
    const Var exponent = n == 1 ? scale(g, 0) : pad(cut(from, 1, {1, n}), 1, {0, n - 1}, n);
    const Var terms = mul(mul(cut(q, 1, {t, t + 1}), k), exp(exponent));
    rows.push_back(view(sum_to(terms, {b, n, 1}), {b, 1, n}));
  }
  if (rows.empty()) return scale(matmul(q, k, Orient::nt, q.value().dtype()), 0);
  return lower_triangle(join(rows, 1), 0);
}

}  // namespace

Var reversed(const Var& x) {
  const Tensor y = like(x.value());
  kernels::reverse_rows(y, dense(x.value()));
  return op("reversed", y, {x}, [](const Var& dy) { return Grads{reversed(dy)}; });
}

Var linear_scan(const Var& x, const Var& decay, bool backwards) {
  check(x.shape().size() == 3, "linear_scan runs along dim 1 of three, not over {}", text_of(x.shape()));
  return scan(x, decay, backwards);
}

Var lower_triangle(const Var& x, std::int64_t diagonal) {
  const Tensor y = like(x.value());
  kernels::lower_triangle(y, dense(x.value()), diagonal);
  return op("lower_triangle", y, {x}, [diagonal](const Var& dy) { return Grads{lower_triangle(dy, diagonal)}; });
}

Var unit_lower_inverse(const Var& x) {
  const Tensor y = like(x.value());
  kernels::unit_lower_inverse(y, dense(x.value()));
  return op("unit_lower_inverse", y, {x}, [](const Var& dy, const Var& inverse) {
    const DType t = dy.value().dtype();
    const Var both = matmul(matmul(inverse, dy, Orient::tn, t), inverse, Orient::nt, t);
    return Grads{scale(lower_triangle(both, -1), -1)};
  });
}

Var decayed_scores(const Var& q, const Var& k, const Var& g) {
  one_type("decayed_scores", std::array{q, k, g});
  const Tensor qv = dense(q.value()), kv = dense(k.value()), gv = dense(g.value());
  check(qv.dims() == 3, "scores of {}", text_of(q.shape()));
  const Tensor y = like(qv, {qv.dim(0), qv.dim(1), qv.dim(1)});
  kernels::decayed_scores(y, qv, kv, gv);
  auto fast = [qv, kv, gv](const Var& dy) {
    const Tensor dq = like(qv), dk = like(kv), dg = like(gv);
    kernels::decayed_scores_grad({.dq = dq, .dk = dk, .dg = dg, .dy = dense(dy.value()), .q = qv, .k = kv, .g = gv});
    return Grads{dq, dk, dg};
  };
  return fused("decayed_scores", y, {q, k, g}, fast, scores_by_pairs);
}

namespace {

// u, delta, a, b, c, first: all states of all tokens as one linear scan.
std::vector<Var> scan_of_states(std::span<const Var> in) {
  const Var &u = in[0], &delta = in[1], &a = in[2], &b = in[3], &c = in[4];
  const std::int64_t s = u.dim(0), t = u.dim(1), d = u.dim(2), n = a.dim(1);
  const Shape by_channel{s, t, d, 1}, by_state{s, t, 1, n}, all{s, t, d * n};
  const Var added = mul(view(mul(delta, u), by_channel), view(b, by_state));
  const Var decay = exp(mul(view(delta, by_channel), a));
  const Var first = in.size() > 5 ? view(in[5], {s, 1, d * n})
                                  : Var(Tensor::zeros(u.value().device(), {s, 1, d * n}, u.value().dtype()));
  const Var h = linear_scan(join({first, view(added, all)}, 1), join({ones_like(first), view(decay, all)}, 1), false);
  const Var states = view(cut(h, 1, {1, t + 1}), {s, t, d, n});
  return {view(sum_to(mul(states, view(c, by_state)), by_channel), {s, t, d}), view(cut(h, 1, {t, t + 1}), {s, d, n})};
}

}  // namespace

std::vector<Var> selective_scan(const Var& u, const Var& delta, const Var& a, const Var& b, const Var& c,
                                const Var& first) {
  std::vector<Var> in{u, delta, a, b, c};
  if (first) in.push_back(first);
  one_type("selective_scan", in);
  check(u.shape().size() == 3 && a.shape().size() == 2, "a selective scan of tokens {} with rates {}",
        text_of(u.shape()), text_of(a.shape()));
  std::vector<Tensor> x;
  for (const Var& v : in) x.push_back(dense(v.value()));
  const Shape of_last{u.dim(0), u.dim(2), a.dim(1)};
  const std::int64_t pieces = (u.dim(1) + kernels::scan_piece - 1) / kernels::scan_piece;
  const Tensor y = like(x[0]), last = like(x[0], of_last), starts = like(x[0], {u.dim(0), pieces, a.dim(1), u.dim(2)});
  kernels::selective_scan({.y = y,
                           .last = last,
                           .starts = starts,
                           .u = x[0],
                           .delta = x[1],
                           .a = x[2],
                           .b = x[3],
                           .c = x[4],
                           .first = first ? x[5] : Tensor()});
  auto fast = [x, starts, of_last](std::span<const Var> dys) {
    const Tensor dy = dys[0] ? dense(dys[0].value()) : Tensor::zeros(x[0].device(), x[0].shape(), x[0].dtype());
    const Tensor dfirst = like(x[0], of_last), du = like(x[0]), ddelta = like(x[1]), da = like(x[2]), db = like(x[3]),
                 dc = like(x[4]);
    kernels::selective_scan_grad({.du = du,
                                  .ddelta = ddelta,
                                  .da = da,
                                  .db = db,
                                  .dc = dc,
                                  .dfirst = dfirst,
                                  .dy = dy,
                                  .dlast = dys[1] ? dense(dys[1].value()) : Tensor(),
                                  .u = x[0],
                                  .delta = x[1],
                                  .a = x[2],
                                  .b = x[3],
                                  .c = x[4],
                                  .starts = starts});
    Grads g{du, ddelta, da, db, dc};
    if (x.size() > 5) g.push_back(dfirst);
    return g;
  };
  return fused_many("selective_scan", {y, last}, in, fast, scan_of_states);
}

}  // namespace lact
