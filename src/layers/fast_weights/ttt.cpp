#include "layers/fast_weights/ttt.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "layers/fast_weights/heads.hpp"

namespace lact {
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

// Learned fast weights [heads, rows, columns], split over tp by heads, or by their hidden width.
const Parameter& fast_weight(Scope s, std::string_view name, const Shape& shape, bool split_by_heads, int hidden_dim) {
  auto size = [&shape](int from, int to) { return count_of({shape.begin() + from, shape.begin() + to}); };
  TpSplit split{1, shape[0], size(1, 3)};
  if (!split_by_heads) split = {size(0, hidden_dim), shape[std::size_t(hidden_dim)], size(hidden_dim + 1, 3)};
  return s.parameter(name, shape, gaussian(std::sqrt(2.0 / double(shape[1]))), split);
}

}  // namespace

Ttt::Ttt(Scope s, std::int64_t dim, const TttConfig& cfg, InitScale init)
    : hidden_split_(heads_of(dim, cfg) % s.tp() != 0),
      heads_(heads_of(dim, cfg) / (hidden_split_ ? 1 : s.tp())),
      head_dim_(cfg.head_dim),
      mode_(cfg.cp_mode),
      rate_shift_(inverse_softplus(cfg.base_lr)),
      rule_{.orthogonalise = NewtonSchulz::view_synthesis(cfg.muon_update_steps), .detach_targets = true},
      w0_(fast_weight(s, "w0", {dim / cfg.head_dim, cfg.head_dim, hidden_of(cfg)}, !hidden_split_, 2)),
      w1_(fast_weight(s, "w1", {dim / cfg.head_dim, hidden_of(cfg), cfg.head_dim}, !hidden_split_, 1)),
      w2_(fast_weight(s, "w2", {dim / cfg.head_dim, cfg.head_dim, hidden_of(cfg)}, !hidden_split_, 2)),
      to_qkv_(s / "to_qkv", dim, 3 * dim, gaussian(init.linear), cfg.bias,
              hidden_split_ ? LinearSplit::none : LinearSplit::columns, 3),
      lr_fc_(s / "lr_fc", dim, 3 * (dim / cfg.head_dim), gaussian(init.linear), true,
             hidden_split_ ? LinearSplit::none : LinearSplit::columns, 3),
      o_norm_(s / "o_norm", cfg.head_dim, 1e-5),
      c_proj_(s / "c_proj", dim, dim, gaussian(init.projection), cfg.bias,
              hidden_split_ ? LinearSplit::none : LinearSplit::rows) {}

FastWeights Ttt::learned(Ctx& c, std::int64_t batch) const {
  return {tiled(use(c, w0_), batch), tiled(use(c, w1_), batch), tiled(use(c, w2_), batch)};
}

FastWeightTokens Ttt::project(Ctx& c, const Var& x, std::int64_t updating) const {
  std::vector<Var> qkv = silu_heads(to_qkv_(c, x), 3, heads_, 2, 1e-5, {x.dim(1), updating, updating});
  Var rates = softplus(shift(lr_fc_(c, widened(x)), rate_shift_));  // channels (which, head)
  std::vector<Var> rate = split_heads(rates, 3, heads_);
  return {.q = qkv[0],
          .k = qkv[1],
          .v = qkv[2],
          .rate0 = fold_heads(rate[0]),
          .rate1 = fold_heads(rate[1]),
          .rate2 = fold_heads(rate[2]),
          .momentum = {}};
}

namespace {

// The tokens of this rank up to the last that updates.
std::int64_t updating(const TttPlan& plan, const TokenLayout& tokens) {
  std::int64_t end = 0;
  for (const TttEvent& e : local_plan(clipped(plan, tokens.tokens), tokens.mine()))
    if (e.kind == TttEvent::update) end = std::max(end, e.tokens.end);
  return end;
}

}  // namespace

Ttt::Result Ttt::operator()(Ctx& c, const Var& rows, const TttPlan& plan, const TokenLayout& tokens,
                            const FastWeights* initial) const {
  const std::int64_t batch = rows.dim(0);
  const FastWeightLayout layout{.tokens = &tokens, .mode = mode_, .hidden_split = hidden_split_};
  FastWeights w = initial ? *initial : learned(c, batch);
  FastWeightTokens x = hidden_split_ ? travelled(project(c, rows, rows.dim(1)),
                                                 [&](const Var& part) { return gather_tokens(c, part, tokens.held()); })
                                     : project(c, gather_tokens(c, rows, tokens.held()),
                                               mode_ == CpMode::heads ? tokens.held() : updating(plan, tokens));
  FastWeightRun run = run_fast_weights(c, w, x, plan, rule_, layout);
  if (!run.out) return {{}, run.state};
  if (hidden_split_) run.out = scatter_tokens(c, run.out);
  Var y = c_proj_(c, join_heads({o_norm_(c, unfold_heads(run.out, batch))}));
  return {hidden_split_ ? y : scatter_tokens(c, y), run.state};
}

}  // namespace lact
