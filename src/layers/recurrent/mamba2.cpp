#include "layers/recurrent/mamba2.hpp"

#include <utility>

#include "base/check.hpp"
#include "layers/recurrent/shared_sequence.hpp"

namespace lact {

void Mamba2Config::fields(Fields& f) {
  f("mamba_heads", mamba_heads, "heads");
  f("mamba_head_dim", mamba_head_dim, "channels of a head, and rows of its state");
  f("dt_bias", dt_bias, "bias of the steps at the start, before softplus");
}

void Mamba2Config::check_values() const {
  constexpr std::int64_t most = 1 << 16;
  check(mamba_heads > 0 && mamba_heads <= most && mamba_head_dim > 0 && mamba_head_dim <= most,
        "Mamba-2 of mamba_heads={} and mamba_head_dim={}", mamba_heads, mamba_head_dim);
}

namespace {

std::int64_t width_of(const Mamba2Config& cfg) {
  cfg.check_values();
  return cfg.mamba_heads * cfg.mamba_head_dim;
}

}  // namespace

Mamba2::Mamba2(Scope s, std::int64_t dim, const Mamba2Config& cfg, InitScale init)
    : heads_(heads_of_rank(cfg.mamba_heads, s.tp(), "Mamba-2")),
      head_dim_(cfg.mamba_head_dim),
      to_xbc_(s / "to_xbc", dim, 3 * width_of(cfg), gaussian(init.linear), false, LinearSplit::columns, 3),
      to_dt_(s / "to_dt", dim, cfg.mamba_heads, gaussian(init.linear), false, LinearSplit::columns),
      dt_bias_(s.parameter("dt_bias", {cfg.mamba_heads}, constant(cfg.dt_bias), TpSplit{1, cfg.mamba_heads, 1})),
      c_proj_(s / "c_proj", width_of(cfg), dim, gaussian(init.projection), false, LinearSplit::rows) {}

Var Mamba2::outputs(Ctx& c, const Var& x, std::int64_t updating, bool backwards, Mamba2State& state) const {
  const std::int64_t all = x.dim(1), width = heads_ * head_dim_;
  const Var xbc = widened(to_xbc_(c, x));
  auto part = [&](std::int64_t p, Range rows) {
    return by_head(cut(cut(xbc, 2, {p * width, (p + 1) * width}), 1, rows), heads_);
  };
  auto turned = [backwards](const Var& y) { return backwards ? reversed(y) : y; };
  const Range first{0, updating}, rest{updating, all};
  const Var step = softplus(add(widened(to_dt_(c, cut(x, 1, first))), use(c, dt_bias_)));
  const Var steps = turned(view(step, {x.dim(0), updating, heads_, 1}));
  const Recurrence r = gated_linear_attention(turned(part(2, first)), mul(turned(part(1, first)), steps),
                                              turned(part(0, first)), scale(steps, -1), 1, state.memory);
  state.memory = r.state;
  Var y = turned(r.o);
  if (!rest.empty()) {
    const Var read = matmul(permute(part(2, rest), {0, 2, 1, 3}), r.state);  // [b, heads, rest, head_dim]
    y = join({y, permute(read, {0, 2, 1, 3})}, 1);
  }
  return cast(heads_joined(y), x.value().dtype());
}

Var Mamba2::operator()(Ctx& c, const Var& rows, const TokenLayout& tokens, Mamba2State* state) const {
  Mamba2State own;
  const Var y = outputs(c, whole_sequence(c, rows, tokens), tokens.tokens, false, state != nullptr ? *state : own);
  return scatter_tokens(c, c_proj_(c, gather_rows(y, tokens.mine())));
}

BidirectionalMamba2::Result BidirectionalMamba2::operator()(Ctx& c, const Var& rows, const TokenLayout& tokens,
                                                            std::int64_t updating) const {
  check(updating >= 0 && updating <= tokens.tokens, "{} of {} tokens change the state", updating, tokens.tokens);
  const Var x = whole_sequence(c, rows, tokens);
  Result r;
  auto through = [&](const Mamba2& layer, bool backwards, Mamba2State& state) {
    return layer.c_proj_(c, gather_rows(layer.outputs(c, x, updating, backwards, state), tokens.mine()));
  };
  const Var fwd = through(fwd_, false, r.fwd), bwd = through(bwd_, true, r.bwd);
  r.y = scatter_tokens(c, add(fwd, bwd));
  return r;
}

}  // namespace lact
