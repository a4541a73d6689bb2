#include "layers/attention/self_attention.hpp"
#include "layers/mlp.hpp"

#include <cmath>

#include "base/check.hpp"
#include "layers/attention/span_attention.hpp"

namespace lact {
namespace {

// The originals leave this epsilon unset, which is the machine epsilon of float32.
constexpr double qk_norm_eps = 1.1920928955078125e-07;

std::int64_t heads_of(std::int64_t dim, std::int64_t head_dim) {
  check(head_dim > 0 && dim % head_dim == 0, "attention of width {} does not divide into heads of head_dim {}", dim,
        head_dim);
  return dim / head_dim;
}

}  // namespace

SelfAttention::SelfAttention(Scope s, std::int64_t dim, const SelfAttentionConfig& cfg, InitScale init)
    : heads_(heads_of(dim, cfg.head_dim) / s.tp()),
      cfg_(cfg),
      to_qkv_(s / "to_qkv", dim, 3 * dim, gaussian(init.linear), cfg.bias, LinearSplit::columns, 3),
      c_proj_(s / "c_proj", dim, dim, gaussian(init.projection), cfg.bias, LinearSplit::rows) {
  check(heads_ * s.tp() == dim / cfg.head_dim, "{} attention heads do not divide over {} ranks of tp",
        dim / cfg.head_dim, s.tp());
  if (!cfg.use_qk_norm) return;
  q_norm_.emplace(s / "q_norm", cfg.head_dim, qk_norm_eps);
  k_norm_.emplace(s / "k_norm", cfg.head_dim, qk_norm_eps);
}

Var SelfAttention::operator()(Ctx& c, const Var& x_btd, const TokenLayout& tokens, std::int64_t span) const {
  Var x = gather_tokens(c, x_btd, tokens.held());
  Shape whole = x.shape();
  bool whole_spans = tokens.whole_spans(span);
  if (whole_spans) x = view(x, {whole[0] * whole[1] / span, span, whole[2]});
  Var all = to_qkv_(c, x);
  double scale = 1 / std::sqrt(double(cfg_.head_dim));
  kernels::Mask mask{.causal = cfg_.causal, .window = 0};
  if (whole_spans) {
    Var q = q_norm_ ? q_norm_->weight(c) : Var(), k = k_norm_ ? k_norm_->weight(c) : Var();
    return scatter_tokens(c, view(c_proj_(c, self_attention(all, heads_, q, k, qk_norm_eps, scale, mask)), whole));
  }
  std::vector<Var> qkv = split_heads(all, 3, heads_);  // [b, heads, t, head_dim]
  if (q_norm_) qkv[0] = (*q_norm_)(c, qkv[0]), qkv[1] = (*k_norm_)(c, qkv[1]);
  Var o = span_attention(c, {qkv[0], qkv[1], qkv[2]}, tokens, span, scale, mask);
  return scatter_tokens(c, c_proj_(c, join_heads({o})));
}

}  // namespace lact
