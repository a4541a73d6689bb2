#include "layers/fast_weights/run_plan.hpp"

#include <algorithm>
#include <utility>

#include "autograd/collectives.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "layers/fast_weights/by_heads.hpp"
#include "layers/fast_weights/owned_units.hpp"

namespace lact {
namespace {

Var rows(const Var& x, Range r) { return r.begin == 0 && r.end == x.dim(1) ? x : cut(x, 1, r); }

FastWeights target_norms(const FastWeights& w, bool detached) {
  FastWeights n{column_norm(w.w0), column_norm(w.w1), column_norm(w.w2)};
  return detached ? FastWeights{detach(n.w0), detach(n.w1), detach(n.w2)} : n;
}

// On a wide device all matrices run as one batch of equal shapes: W1 is transposed for it, since N(X^T) = N(X)^T. One
// matrix is enough to fill a CPU, whose cache holds one kind of them but not three.
FastWeights orthogonalised(const NewtonSchulz& ns, const FastWeights& g, bool join_gates) {
  if (join_gates) {
    const Var gates = ns(join({g.w0, g.w2}, 2));
    const std::int64_t n = g.w0.dim(2);
    return {cut(gates, 2, {0, n}), ns(g.w1), cut(gates, 2, {n, 2 * n})};
  }
  if (!g.w0.value().device().wide()) return {ns(g.w0), ns(g.w1), ns(g.w2)};
  const std::int64_t n0 = g.w0.dim(0), n1 = n0 + g.w1.dim(0), n2 = n1 + g.w2.dim(0);
  const Var all = ns(join({g.w0, transpose(g.w1), g.w2}, 0));
  return {cut(all, 0, {0, n0}), transpose(cut(all, 0, {n0, n1})), cut(all, 0, {n1, n2})};
}

Var with_norm(const Var& w, const Var& target, const FastWeightRule& rule) {
  if (!rule.eps_in_root) return keep_column_norm(w, target, rule.eps);
  return mul(w, mul(target, inverse(sqrt(shift(square(column_norm(w)), rule.eps)))));
}
FastWeights with_norms(const FastWeights& w, const FastWeights& target, const FastWeightRule& rule) {
  return {with_norm(w.w0, target.w0, rule), with_norm(w.w1, target.w1, rule), with_norm(w.w2, target.w2, rule)};
}

FastWeights stepped(const FastWeights& w, const FastWeights& g, const FastWeightRule& rule) {
  const FastWeights step = rule.orthogonalise ? orthogonalised(*rule.orthogonalise, g, rule.join_gates) : g;
  auto next = [&](Var FastWeights::*kind) { return add(rule.forget_weights ? g.*kind : w.*kind, step.*kind); };
  return {next(&FastWeights::w0), next(&FastWeights::w1), next(&FastWeights::w2)};
}

}  // namespace

FastWeightTokens travelled(const FastWeightTokens& x, const std::function<Var(const Var&)>& travel) {
  FastWeightTokens there = x;
  std::vector<Var*> left{&there.q, &there.k, &there.v, &there.rate0, &there.rate1, &there.rate2};
  if (x.momentum) left.push_back(&there.momentum);
  while (!left.empty()) {
    const auto others = std::stable_partition(left.begin(), left.end(), [type = left[0]->value().dtype()](Var* part) {
      return part->value().dtype() == type;
    });
    std::vector<Var> together;
    std::for_each(left.begin(), others, [&](Var* part) { together.push_back(*part); });
    const Var all = travel(join(together, 2));
    std::int64_t at = 0;
    std::for_each(left.begin(), others, [&](Var* part) {
      const std::int64_t width = part->dim(2);
      *part = cut(all, 2, {at, at + width});
      at += width;
    });
    left.erase(left.begin(), others);
  }
  return there;
}

namespace {

// An update whose sums are on their way to the owners of the matrices.
struct Update {
  OwnedUnits::Sum g;
  InFlight momentum;
  bool has_momentum = false;
  double tokens = 0;  // of the whole event
};

Update begin_update(const OwnedUnits& units, const FastWeights& w, const FastWeightTokens& x, Range r,
                    std::int64_t whole, Communicator& cp) {
  Update u;
  u.tokens = double(std::max<std::int64_t>(whole, 1));
  u.has_momentum = bool(x.momentum);
  if (u.has_momentum) u.momentum = begin_sum(sum_to(rows(x.momentum, r), {x.momentum.dim(0), 1, 1}), cp);
  u.g = units.begin_sum(
      inner_gradient(w, rows(x.k, r), rows(x.v, r), rows(x.rate0, r), rows(x.rate1, r), rows(x.rate2, r)));
  return u;
}

// The running sum of an update and those before it, each weighed by the later ones' momentum.
FastWeights finish_update(const OwnedUnits& units, Update u, const FastWeights& before) {
  FastWeights g = units.finish_sum(std::move(u.g));
  if (!u.has_momentum) return g;
  Var m = scale(finish(std::move(u.momentum)), 1 / u.tokens);
  if (!before.w0) return g;
  return {add(g.w0, mul(units.of_own(m, 0), before.w0)), add(g.w1, mul(units.of_own(m, 1), before.w1)),
          add(g.w2, mul(units.of_own(m, 2), before.w2))};
}

bool shared_out(const TokenLayout* tokens) { return tokens != nullptr && tokens->of_rank.size() > 1; }

// Where the tokens are shared out over cp, each update sums G over its ranks.
FastWeightRun run_events(Ctx& c, const FastWeights& initial, const FastWeightTokens& x, const TttPlan& plan,
                         const FastWeightRule& rule, const TokenLayout* tokens, bool hidden_split,
                         FastWeightState* carried = nullptr) {
  const bool over_cp = shared_out(tokens);
  const TttPlan whole = clipped(plan, tokens ? tokens->tokens : x.q.dim(1));
  const TttPlan mine = tokens ? local_plan(whole, tokens->mine()) : whole;
  Communicator& cp = c.mesh.along(over_cp ? Axes(Axis::cp) : Axes());
  const OwnedUnits units(c, initial, over_cp, hidden_split, rule.join_gates);
  FastWeights w = initial, own = units.own(initial), target = target_norms(own, rule.detach_targets), before;
  if (carried != nullptr && carried->applied.w0) w = carried->applied, own = carried->sum, before = carried->momentum;
  std::vector<Var> outs;
  std::optional<Update> flying;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    // An application and the update after it use the same weights, so the update's sums begin first and travel while
    // the application runs.
    const std::size_t next = over_cp && mine[i].kind == TttEvent::apply && i + 1 < mine.size() ? i + 1 : i;
    if (!flying && mine[next].kind == TttEvent::update)
      flying = begin_update(units, w, x, mine[next].tokens, whole[next].tokens.size(), cp);
    if (mine[i].kind == TttEvent::apply) {
      outs.push_back(apply_fast_weights(w, rows(x.q, mine[i].tokens)));
      continue;
    }
    FastWeights g = finish_update(units, *std::exchange(flying, {}), before);
    if (x.momentum) before = g;
    own = stepped(own, g, rule);
    const FastWeights normed = with_norms(own, target, rule);
    if (!rule.keep_sum) own = normed;
    w = units.publish(normed);
  }
  if (carried != nullptr) *carried = {w, own, before};
  return {outs.empty() ? Var() : join(outs, 1), w};
}

}  // namespace

const char* name_of(CpMode mode) { return mode == CpMode::heads ? "heads" : "tokens"; }

std::optional<CpMode> cp_mode_named(std::string_view name) {
  for (const CpMode mode : {CpMode::tokens, CpMode::heads})
    if (name == name_of(mode)) return mode;
  return {};
}

FastWeightRun run_fast_weights(Ctx& c, const FastWeights& initial, const FastWeightTokens& x, const TttPlan& plan,
                               const FastWeightRule& given, const FastWeightLayout& layout, FastWeightState* carried) {
  FastWeightRule rule = given;
  if (rule.orthogonalise) rule.orthogonalise->low = x.k.value().dtype() == DType::bf16;
  check(carried == nullptr || (!shared_out(layout.tokens) && !layout.hidden_split),
        "fast weights are carried on by ranks that hold them, and their tokens, whole");
  if (layout.mode == CpMode::tokens || !shared_out(layout.tokens))
    return run_events(c, initial, x, plan, rule, layout.tokens, layout.hidden_split, carried);
  const HeadExchange heads(c, *layout.tokens, x.q.dim(0));
  const FastWeights weights = heads.own(initial);
  const FastWeightTokens tokens = heads.to_owners(x);
  return heads.back(run_events(c, weights, tokens, plan, rule, nullptr, layout.hidden_split), plan);
}

}  // namespace lact
