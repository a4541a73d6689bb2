#include "layers/attention_mlp.hpp"

#include <cmath>

#include "base/check.hpp"

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
    : heads_(heads_of(dim, cfg.head_dim)),
      cfg_(cfg),
      to_qkv_(s / "to_qkv", dim, 3 * dim, gaussian(init.linear), cfg.bias),
      c_proj_(s / "c_proj", dim, dim, gaussian(init.projection), cfg.bias) {
  if (!cfg.use_qk_norm) return;
  q_norm_.emplace(s / "q_norm", cfg.head_dim, qk_norm_eps);
  k_norm_.emplace(s / "k_norm", cfg.head_dim, qk_norm_eps);
}

Var SelfAttention::operator()(Ctx& c, const Var& x_btd) const {
  std::vector<Var> qkv = split_heads(to_qkv_(c, x_btd), 3, heads_);  // [b, heads, t, head_dim]
  if (q_norm_) qkv[0] = (*q_norm_)(c, qkv[0]), qkv[1] = (*k_norm_)(c, qkv[1]);
  Var o = attention(qkv[0], qkv[1], qkv[2], 1 / std::sqrt(double(cfg_.head_dim)), {.causal = cfg_.causal, .window = 0});
  return c_proj_(c, join_heads({o}));
}

Mlp::Mlp(Scope s, std::int64_t dim, double inter_multi, bool bias, InitScale init)
    : c_fc_(s / "c_fc", dim, std::int64_t(double(dim) * inter_multi), gaussian(init.linear), bias),
      c_proj_(s / "c_proj", std::int64_t(double(dim) * inter_multi), dim, gaussian(init.projection), bias) {}

}  // namespace lact
