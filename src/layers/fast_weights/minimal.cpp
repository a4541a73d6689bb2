#include "layers/fast_weights/minimal.hpp"

#include <cmath>

#include "base/check.hpp"
#include "layers/fast_weights/heads.hpp"

namespace lact {
namespace {

std::int64_t divided(std::int64_t dim, std::int64_t head_dim, std::string_view what) {
  check(head_dim > 0 && dim % head_dim == 0, "{} {} does not divide the width {}", what, head_dim, dim);
  return dim / head_dim;
}
std::int64_t hidden(const MinimalConfig& cfg) { return std::int64_t(double(cfg.head_dim) * cfg.inter_multi); }
Linear plain(Scope s, std::int64_t in, std::int64_t out, bool bias) { return {s, in, out, torch_linear(in), bias}; }

}  // namespace

MinimalFastWeights::MinimalFastWeights(Scope s, std::int64_t dim, const MinimalConfig& cfg)
    : heads_(divided(dim, cfg.head_dim, "head_dim")),
      cfg_(cfg),
      w0_(s.parameter("w0", {heads_, hidden(cfg), cfg.head_dim}, gaussian(1 / std::sqrt(double(cfg.head_dim))))),
      w1_(s.parameter("w1", {heads_, cfg.head_dim, hidden(cfg)}, gaussian(1 / std::sqrt(double(hidden(cfg)))))),
      w2_(s.parameter("w2", {heads_, hidden(cfg), cfg.head_dim}, gaussian(1 / std::sqrt(double(cfg.head_dim))))),
      lr_proj_(plain(s / "lr_proj", dim, 3 * heads_, false)) {
  if (cfg.use_o_norm) o_norm_.emplace(s / "o_norm", cfg.head_dim, 1e-5);
}

FastWeights MinimalFastWeights::learned(Ctx& c, std::int64_t batch) const {
  auto right = [&](const Parameter& p) { return transpose(tiled(use(c, p), batch)); };
  return {right(w0_), right(w1_), right(w2_)};
}

void MinimalFastWeights::rates(Ctx& c, const Var& x, FastWeightTokens& t) const {
  const std::vector<Var> rates =
      rates_of_heads(softplus(shift(lr_proj_(c, x), inverse_softplus(cfg_.base_lr))), heads_);
  t.rate0 = rates[0], t.rate1 = rates[1], t.rate2 = rates[2];
}

Var MinimalFastWeights::normed_output(Ctx& c, const Var& out, std::int64_t batch) const {
  Var o = unfold_heads(out, batch);
  return o_norm_ ? (*o_norm_)(c, o) : o;
}

FastWeightRule MinimalFastWeights::rule() const {
  FastWeightRule r;
  if (cfg_.use_muon) r.orthogonalise = NewtonSchulz::language();
  r.detach_targets = false;
  r.forget_weights = cfg_.use_muon && cfg_.as_written;
  return r;
}

namespace {
FastWeightTokens silu_tokens(const Var& qkv, std::int64_t heads, bool l2) {
  std::vector<Var> p = silu_heads(qkv, 3, heads, l2 ? 2 : 0, 1e-5);
  FastWeightTokens t;
  t.q = p[0], t.k = p[1], t.v = p[2];
  return t;
}
}  // namespace

MinimalBidirectional::MinimalBidirectional(Scope s, std::int64_t dim, const MinimalConfig& cfg)
    : cfg_(cfg),
      to_qkv_(plain(s / "to_qkv", dim, 3 * dim, cfg.bias)),
      fast_(s, dim, cfg),
      o_proj_(plain(s / "o_proj", dim, dim, cfg.bias)) {}

Var MinimalBidirectional::operator()(Ctx& c, const Var& x) const {
  FastWeightTokens t = silu_tokens(to_qkv_(c, x), fast_.heads(), cfg_.qk_l2_norm);
  fast_.rates(c, x, t);
  FastWeightRun run = run_fast_weights(c, fast_.learned(c, x.dim(0)), t, plan_views(x.dim(1), 0), fast_.rule());
  return o_proj_(c, join_heads({fast_.normed_output(c, run.out, x.dim(0))}));
}

MinimalCausal::MinimalCausal(Scope s, std::int64_t dim, const MinimalConfig& cfg)
    : dim_(dim),
      attention_heads_(divided(dim, cfg.attn_head_dim, "attn_head_dim")),
      cfg_(cfg),
      to_qkv_(plain(s / "to_qkv", dim, 3 * dim, cfg.bias)),
      fast_(s, dim, cfg),
      qk_scale_(s.parameter("qk_scale", {dim, 2}, constant(1))),
      qk_offset_(s.parameter("qk_offset", {dim, 2}, constant(0))),
      o_proj_(plain(s / "o_proj", dim, dim, cfg.bias)) {
  if (cfg.use_momentum) momentum_proj_.emplace(plain(s / "momentum_proj.0", dim, fast_.heads(), true));
  if (cfg.ttt_scale_before_sum) ttt_scale_proj_.emplace(plain(s / "ttt_scale_proj", dim, fast_.heads(), true));
}

Var MinimalCausal::window_attention(Ctx& c, const Var& qkv) const {
  Var gain = use(c, qk_scale_), offset = use(c, qk_offset_);
  auto part = [&](std::int64_t i) { return cut(qkv, 2, {i * dim_, (i + 1) * dim_}); };
  auto heads = [&](const Var& x) { return split_heads(x, 1, attention_heads_)[0]; };
  auto affine = [&](std::int64_t i) { return heads(scaled_and_shifted(part(i), gain, offset, i)); };
  Var o = attention(affine(0), affine(1), heads(part(2)), 1 / std::sqrt(double(cfg_.attn_head_dim)),
                    {.causal = true, .window = cfg_.window_size});
  return join_heads({o});
}

Var MinimalCausal::memory(Ctx& c, const Var& x, const Var& qkv) const {
  FastWeightTokens t = silu_tokens(qkv, fast_.heads(), cfg_.qk_l2_norm);
  fast_.rates(c, x, t);
  auto per_head = [&](const Var& z) { return split_heads(z, 1, fast_.heads())[0]; };  // [b, h, t, 1]
  if (momentum_proj_) t.momentum = fold_heads(per_head(sigmoid((*momentum_proj_)(c, x))));
  FastWeightRun run =
      run_fast_weights(c, fast_.learned(c, x.dim(0)), t, plan_causal(x.dim(1), cfg_.lact_chunk_size), fast_.rule());
  Var o = fast_.normed_output(c, run.out, x.dim(0));
  if (ttt_scale_proj_) o = mul(o, per_head(silu((*ttt_scale_proj_)(c, x))));
  return join_heads({o});
}

Var MinimalCausal::operator()(Ctx& c, const Var& x) const {
  Var qkv = to_qkv_(c, x);
  return o_proj_(c, add(window_attention(c, qkv), memory(c, x, qkv)));
}

}  // namespace lact
