#include "layers/ttt.hpp"

#include <cmath>

#include "base/check.hpp"

namespace lact {

double inverse_softplus(double a) { return a + std::log(-std::expm1(-a)); }

Var fold_heads(const Var& x) { return view(x, {x.dim(0) * x.dim(1), x.dim(2), x.dim(3)}); }

Var unfold_heads(const Var& x, std::int64_t batch) { return view(x, {batch, x.dim(0) / batch, x.dim(1), x.dim(2)}); }

Var tiled(const Var& w, std::int64_t batch) {
  if (batch == 1) return w;
  return fold_heads(expand(view(w, {1, w.dim(0), w.dim(1), w.dim(2)}), {batch, w.dim(0), w.dim(1), w.dim(2)}));
}

namespace {

std::int64_t heads_of(std::int64_t dim, const TttConfig& cfg) {  // the first to see the numbers, so it judges them all
  check(cfg.head_dim > 0 && dim % cfg.head_dim == 0,
        "a fast-weight layer of width {} does not divide into heads of head_dim {}", dim, cfg.head_dim);
  check(cfg.base_lr > 0, "base_lr={} is not a positive rate", cfg.base_lr);
  check(cfg.muon_update_steps >= 0, "muon_update_steps={} is negative", cfg.muon_update_steps);
  return dim / cfg.head_dim;
}
std::int64_t hidden_of(const TttConfig& cfg) {
  auto dh = std::int64_t(double(cfg.head_dim) * cfg.inter_multi);
  check(dh > 0, "inter_multi={} leaves a fast-weight network of head_dim {} without hidden units", cfg.inter_multi,
        cfg.head_dim);
  return dh;
}

}  // namespace

Ttt::Ttt(Scope s, std::int64_t dim, const TttConfig& cfg, InitScale init)
    : heads_(heads_of(dim, cfg)),
      head_dim_(cfg.head_dim),
      rate_shift_(inverse_softplus(cfg.base_lr)),
      rule_{.orthogonalise = NewtonSchulz::view_synthesis(cfg.muon_update_steps), .detach_targets = true},
      w0_(s.parameter("w0", {heads_, cfg.head_dim, hidden_of(cfg)}, gaussian(std::sqrt(2.0 / double(cfg.head_dim))))),
      w1_(s.parameter("w1", {heads_, hidden_of(cfg), cfg.head_dim}, gaussian(std::sqrt(2.0 / double(hidden_of(cfg)))))),
      w2_(s.parameter("w2", {heads_, cfg.head_dim, hidden_of(cfg)}, gaussian(std::sqrt(2.0 / double(cfg.head_dim))))),
      to_qkv_(s / "to_qkv", dim, 3 * dim, gaussian(init.linear), cfg.bias),
      lr_fc_(s / "lr_fc", dim, 3 * heads_, gaussian(init.linear), true),
      o_norm_(s / "o_norm", cfg.head_dim, 1e-5),
      c_proj_(s / "c_proj", dim, dim, gaussian(init.projection), cfg.bias) {}

FastWeights Ttt::learned(Ctx& c, std::int64_t batch) const {
  return {tiled(use(c, w0_), batch), tiled(use(c, w1_), batch), tiled(use(c, w2_), batch)};
}

FastWeightTokens Ttt::project(Ctx& c, const Var& x) const {
  std::vector<Var> qkv = split_heads(to_qkv_(c, x), 3, heads_);  // [b, heads, t, d]; channels (qkv, head, channel)
  Var rates = softplus(shift(lr_fc_(c, x), rate_shift_));        // channels (which, head)
  std::vector<Var> rate = split_heads(rates, 3, heads_);
  return {.q = fold_heads(l2_norm(silu(qkv[0]), 1e-5)),
          .k = fold_heads(l2_norm(silu(qkv[1]), 1e-5)),
          .v = fold_heads(silu(qkv[2])),
          .rate0 = fold_heads(rate[0]),
          .rate1 = fold_heads(rate[1]),
          .rate2 = fold_heads(rate[2]),
          .momentum = {}};
}

Ttt::Result Ttt::operator()(Ctx& c, const Var& x, const TttPlan& plan, const FastWeights* initial) const {
  std::int64_t batch = x.dim(0);
  FastWeightRun run = run_fast_weights(c, initial ? *initial : learned(c, batch), project(c, x), plan, rule_);
  if (!run.out) return {{}, run.state};
  return {c_proj_(c, join_heads({o_norm_(c, unfold_heads(run.out, batch))})), run.state};
}

}  // namespace lact
