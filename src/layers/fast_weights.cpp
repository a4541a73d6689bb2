#include "layers/fast_weights.hpp"

#include "autograd/collectives.hpp"
#include "autograd/ops.hpp"

namespace lact {
namespace {

Var rows(const Var& x, Range r) { return r.begin == 0 && r.end == x.dim(1) ? x : cut(x, 1, r); }

FastWeights summed(const FastWeights& g, Communicator& cp) {
  InFlight g1 = begin_sum(g.w1, cp), g0 = begin_sum(g.w0, cp), g2 = begin_sum(g.w2, cp);
  return {finish(g0), finish(g1), finish(g2)};
}

FastWeights target_norms(const FastWeights& w, bool detached) {
  FastWeights n{column_norm(w.w0), column_norm(w.w1), column_norm(w.w2)};
  return detached ? FastWeights{detach(n.w0), detach(n.w1), detach(n.w2)} : n;
}

// The mean over the whole event: every rank of cp adds the tokens it holds.
Var event_momentum(Ctx& c, const Var& m, Range r) {
  Communicator& cp = c.mesh.along(Axis::cp);
  Var total = sum_over(sum_to(rows(m, r), {m.dim(0), 1, 1}), cp);
  return scale(total, 1.0 / double(std::max<std::int64_t>(r.size() * cp.size(), 1)));
}

Var stepped(const Var& w, const Var& g, const Var& target, const FastWeightRule& rule) {
  Var step = rule.orthogonalise ? (*rule.orthogonalise)(g) : g;
  Var next = rule.forget_weights ? add(step, g) : add(w, step);
  return keep_column_norm(next, target, rule.eps);
}

}  // namespace

Var apply_fast_weights(const FastWeights& w, const Var& x) {
  return matmul(swiglu(matmul(x, w.w0), matmul(x, w.w2)), w.w1);
}

FastWeights inner_gradient(const FastWeights& w, const Var& k, const Var& v, const Var& rate0, const Var& rate1,
                           const Var& rate2) {
  Var g = matmul(k, w.w0), h = matmul(k, w.w2);
  Var dm = matmul(v, w.w1, Orient::nt);
  std::vector<Var> d = swiglu_grad(g, h, dm);  // {dg, dh}
  Var g1 = matmul(mul(swiglu(g, h), rate1), v, Orient::tn);
  return {matmul(k, mul(d[0], rate0), Orient::tn), g1, matmul(k, mul(d[1], rate2), Orient::tn)};
}

FastWeightRun run_fast_weights(Ctx& c, const FastWeights& initial, const FastWeightTokens& x, const TttPlan& plan,
                               const FastWeightRule& rule) {
  FastWeights w = initial, target = target_norms(initial, rule.detach_targets), before;
  std::vector<Var> outs;
  for (const TttEvent& e : clipped(plan, x.q.dim(1))) {
    Range r = e.tokens;
    if (e.kind == TttEvent::apply) {
      outs.push_back(apply_fast_weights(w, rows(x.q, r)));
      continue;
    }
    FastWeights g =
        summed(inner_gradient(w, rows(x.k, r), rows(x.v, r), rows(x.rate0, r), rows(x.rate1, r), rows(x.rate2, r)),
               c.mesh.along(Axis::cp));
    if (x.momentum) {
      Var m = event_momentum(c, x.momentum, r);
      if (before.w0) g = {add(g.w0, mul(m, before.w0)), add(g.w1, mul(m, before.w1)), add(g.w2, mul(m, before.w2))};
      before = g;
    }
    w = {stepped(w.w0, g.w0, target.w0, rule), stepped(w.w1, g.w1, target.w1, rule),
         stepped(w.w2, g.w2, target.w2, rule)};
  }
  return {outs.empty() ? Var() : join(outs, 1), w};
}

}  // namespace lact
