#include "layers/fast_weights/causal_lact.hpp"

#include <array>
#include <cmath>

#include "autograd/broadcast.hpp"
#include "autograd/collectives.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "layers/attention/causal_attention.hpp"
#include "layers/fast_weights/heads.hpp"

namespace lact {
namespace {

constexpr double base_rate = 0.001, norm_eps = 1e-5;

// The first to see the numbers, so it judges them all.
std::int64_t judged(std::int64_t dim, const CausalLactConfig& cfg) {
  cfg.check_values(dim);
  return dim;
}
std::int64_t hidden_of(std::int64_t dim, const CausalLactConfig& cfg) {
  return std::int64_t(double(dim / cfg.num_lact_heads) * cfg.inter_multi);
}

FastWeightTokens part_of(const FastWeightTokens& x, Range tokens) {
  auto part = [&](const Var& all) { return !all || tokens.size() == all.dim(1) ? all : cut(all, 1, tokens); };
  return {part(x.q), part(x.k), part(x.v), part(x.rate0), part(x.rate1), part(x.rate2), part(x.momentum)};
}

// A[0,c) U[0,c) A[c,2c) U[c,2c) ...: each chunk updates, the last one too.
TttPlan whole_chunks(std::int64_t chunks, std::int64_t chunk) {
  TttPlan plan = plan_causal(chunks * chunk, chunk);
  plan.push_back({TttEvent::update, plan.back().tokens});
  return plan;
}

// The tokens of a full chunk; their queries were applied as they came.
FastWeightTokens waited(const CausalLactState& state) {
  const Range all{0, state.waiting};
  const Var k = state.k.part(all), v = state.v.part(all), rates = state.rates.part(all);
  auto column = [&](std::int64_t i) { return cut(rates, 2, {i, i + 1}); };
  return {k, k, v, column(0), column(1), column(2), rates.dim(2) > 3 ? column(3) : Var()};
}

}  // namespace

void CausalLactConfig::fields(Fields& f) {
  f("num_attn_heads", num_attn_heads, "heads of the attention through a window");
  f("num_lact_heads", num_lact_heads, "heads of the fast weights");
  f("inter_multi", inter_multi, "hidden width of a fast-weight network as a multiple of the width of its head");
  f("qkv_bias", qkv_bias, "a bias for queries, keys and values");
  f("attn_qk_norm", attn_qk_norm, "RMSNorm of queries and of keys over all their channels");
  f("lact_chunk_size", lact_chunk_size, "tokens of one update of the fast weights");
  f("window_size", window_size, "tokens that attention sees, the own one included; 0: all before it");
  f("use_muon", use_muon, "updates are orthogonalised by Newton-Schulz");
  f("use_momentum", use_momentum, "updates carry on those before them, by a learned share");
  f("ttt_prenorm", ttt_prenorm,
    "updates add up without a norm, and what is applied has the norms of the first weights");
  f("ttt_nope", ttt_nope, "queries and keys of the fast weights have no rotary positions");
  f("qkv_silu", qkv_silu, "silu of queries, keys and values of the fast weights");
  f("no_v_silu", no_v_silu, "but not of the values");
  f("learnable_ttt_scale", learnable_ttt_scale, "a learned gate per token and head on what the fast weights say");
  f("w0_w2_low_rank", w0_w2_low_rank, "rank of the first W0 and W2, beside half the identity; -1: whole matrices");
  f("fw_init_gain", fw_init_gain, "of the factors of that rank, at the start");
  f("rope_theta", rope_theta, "base of the rotary positions");
  f("use_fused_kernel", use_fused_kernel,
    "the rules of the published fused kernels: W0 and W2 are orthogonalised together, the epsilon of the norms stands "
    "under the root");
}

void CausalLactConfig::check_values(std::int64_t dim) const {
  auto divides = [dim](const char* key, std::int64_t heads, std::int64_t of) {
    check(heads > 0 && dim % heads == 0 && dim / heads % of == 0, "{}={} does not divide the width {} into {}heads",
          key, heads, dim, of == 2 ? "even " : "");
  };
  divides("num_attn_heads", num_attn_heads, 2);  // rotary positions turn pairs
  divides("num_lact_heads", num_lact_heads, 1);
  check(inter_multi > 0 && inter_multi <= 1024 && hidden_of(dim, *this) > 0,
        "inter_multi={} leaves a fast-weight network of width {} without hidden units, or is absurd", inter_multi,
        dim / num_lact_heads);
  check(lact_chunk_size > 0, "lact_chunk_size={} is no number of tokens", lact_chunk_size);
  check(window_size >= 0, "window_size={} is no number of tokens; 0 is no limit", window_size);
  check(w0_w2_low_rank == -1 || w0_w2_low_rank > 0, "w0_w2_low_rank={} is neither a rank nor -1", w0_w2_low_rank);
  check(rope_theta > 0, "rope_theta={} is not positive", rope_theta);
  check(fw_init_gain > 0, "fw_init_gain={} is not positive", fw_init_gain);
}

FastWeightRule CausalLactConfig::rule() const {
  FastWeightRule r;
  if (use_muon) r.orthogonalise = NewtonSchulz::language();
  r.detach_targets = false;
  r.keep_sum = ttt_prenorm;
  r.join_gates = use_fused_kernel;
  r.eps = norm_eps;
  r.eps_in_root = use_fused_kernel && !ttt_prenorm;
  return r;
}

CausalLact::Matrix::Matrix(Scope s, std::string_view name, const Shape& shape, const CausalLactConfig& cfg) {
  const std::int64_t heads = shape[0], m = shape[1], n = shape[2], r = cfg.w0_w2_low_rank;
  auto parameter = [&](const Scope& scope, std::string_view key, const Shape& of, double deviation) {
    return &scope.parameter(key, of, gaussian(deviation), TpSplit{1, heads, of[1] * of[2]});
  };
  if (r < 0 || name == "w1") {
    whole_ = parameter(s, name, shape, 1 / std::sqrt(double(n)));
  } else {
    left_ = parameter(s / name, "w_left", {heads, m, r}, cfg.fw_init_gain / std::sqrt(double(r)));
    right_ = parameter(s / name, "w_right", {heads, r, n}, cfg.fw_init_gain / std::sqrt(double(n)));
  }
}

Var CausalLact::Matrix::operator()(Ctx& c) const {
  if (whole_ != nullptr) return use(c, *whole_);
  const Var w = matmul(use(c, *left_), use(c, *right_));
  const Tensor half = like(w.value(), {1, w.dim(1), w.dim(2)});
  kernels::fill(half, 0.5);
  return add(w, sub(lower_triangle(half, 0), lower_triangle(half, -1)));  // half the identity
}

CausalLact::ChannelNorm::ChannelNorm(Scope s, std::int64_t dim)
    : weight_(s.parameter("weight", {dim}, constant(1), TpSplit{1, dim, 1})), dim_(dim) {}

Var CausalLact::ChannelNorm::operator()(Ctx& c, const Var& x) const {
  Communicator& tp = c.mesh.along(Axis::tp);
  if (tp.size() == 1) return rms_norm(x, use(c, weight_), norm_eps);
  Shape per_row = x.shape();
  per_row.back() = 1;
  const Var wide = widened(x), squares = sum_over(sum_to(square(wide), per_row), tp);
  const Var root = sqrt(shift(scale(squares, 1 / double(dim_)), norm_eps));
  return cast(mul(mul(wide, inverse(root)), use(c, weight_)), x.value().dtype());
}

CausalLact::CausalLact(Scope s, std::int64_t dim, const CausalLactConfig& cfg, CpMode mode, double deviation)
    : cfg_(cfg),
      mode_(mode),
      attn_heads_(cfg.num_attn_heads / s.tp()),
      heads_(cfg.num_lact_heads / s.tp()),
      qkv_(s / "qkv", judged(dim, cfg), 3 * dim, gaussian(deviation), cfg.qkv_bias, LinearSplit::columns, 3),
      qk_scale_(s.without_decay().parameter("qk_scale", {dim, 2}, constant(1), TpSplit{1, dim, 2})),
      qk_offset_(s.without_decay().parameter("qk_offset", {dim, 2}, constant(0), TpSplit{1, dim, 2})),
      w0_(s, "w0", {cfg.num_lact_heads, hidden_of(dim, cfg), dim / cfg.num_lact_heads}, cfg),
      w1_(s, "w1", {cfg.num_lact_heads, dim / cfg.num_lact_heads, hidden_of(dim, cfg)}, cfg),
      w2_(s, "w2", {cfg.num_lact_heads, hidden_of(dim, cfg), dim / cfg.num_lact_heads}, cfg),
      lr_proj_(s / "lr_proj", dim, 3 * cfg.num_lact_heads, gaussian(deviation), true, LinearSplit::columns),
      ttt_norm_(s / "ttt_norm", dim / cfg.num_lact_heads, norm_eps),
      o_proj_(s / "o_proj", dim, dim, gaussian(deviation), false, LinearSplit::rows) {
  check(cfg.num_attn_heads % s.tp() == 0 && cfg.num_lact_heads % s.tp() == 0,
        "num_attn_heads={} and num_lact_heads={} do not both divide over {} ranks of tp", cfg.num_attn_heads,
        cfg.num_lact_heads, s.tp());
  if (cfg.attn_qk_norm) q_norm_.emplace(s / "q_norm", dim), k_norm_.emplace(s / "k_norm", dim);
  auto per_head = [&](std::string_view name) {
    return Linear(s / name, dim, cfg.num_lact_heads, gaussian(deviation), true, LinearSplit::columns);
  };
  if (cfg.use_momentum) momentum_proj_.emplace(per_head("momentum_proj.0"));
  if (cfg.learnable_ttt_scale) ttt_scale_proj_.emplace(per_head("ttt_scale_proj"));
}

FastWeights CausalLact::learned(Ctx& c, std::int64_t batch) const {
  auto right = [&](const Matrix& w) { return transpose(tiled(w(c), batch)); };  // published matrices stand on the left
  return {right(w0_), right(w1_), right(w2_)};
}

// Queries (0) or keys (1) of the fast weights, [b * heads, t, d].
Var CausalLact::folded(Ctx& c, const Var& x, int which, const Tensor& places) const {
  Var y = scaled_and_shifted(x, use(c, qk_scale_), use(c, qk_offset_), which);
  if (cfg_.qkv_silu) y = silu(y);
  Var heads = l2_norm(split_heads(y, 1, heads_)[0], norm_eps);
  if (!cfg_.ttt_nope) {
    const Var turned = rope(split_heads(join_heads({heads}), 1, attn_heads_)[0], places, {cfg_.rope_theta});
    heads = split_heads(join_heads({turned}), 1, heads_)[0];
  }
  return fold_heads(heads);
}

// Keys, values and rates of tokens whose chunk is not full.
void CausalLact::wait(const FastWeightTokens& x, State& state) const {
  std::vector<Var> rates{x.rate0, x.rate1, x.rate2};
  if (x.momentum) rates.push_back(x.momentum);
  auto keep = [&](TokenBuffer& buffer, const Tensor& t) {
    buffer.make_room(cfg_.lact_chunk_size, t, state.waiting);
    buffer.write(state.waiting, t);
  };
  keep(state.k, x.k.value()), keep(state.v, x.v.value()), keep(state.rates, join(rates, 2).value());
  state.waiting += x.k.dim(1);
}

// [B, t, d]. Tokens of a chunk are applied with the weights before it.
Var CausalLact::carried_on(Ctx& c, const FastWeightTokens& x, std::int64_t batch, State& state) const {
  const std::int64_t chunk = cfg_.lact_chunk_size, t = x.q.dim(1);
  auto run = [&](const FastWeightTokens& tokens, const TttPlan& plan) {
    return run_fast_weights(c, learned(c, batch), tokens, plan, cfg_.rule(), {}, &state.weights).out;
  };
  if (!state.weights.applied.w0) {  // read by every token, so as products take them
    const FastWeights first = learned(c, batch);
    auto as_read = [](const Var& w) { return Var(dense(w.value())); };
    state.weights.applied = {as_read(first.w0), as_read(first.w1), as_read(first.w2)};
    state.weights.sum = state.weights.applied;
  }
  std::vector<Var> out;
  for (std::int64_t at = 0; at < t;) {
    const std::int64_t whole = state.waiting == 0 ? (t - at) / chunk : 0;
    const Range r{at, whole > 0 ? at + whole * chunk : std::min(t, at + chunk - state.waiting)};
    const FastWeightTokens now = part_of(x, r);
    at = r.end;
    if (whole > 0) {
      out.push_back(run(now, whole_chunks(whole, chunk)));
      continue;
    }
    out.push_back(apply_fast_weights(state.weights.applied, now.q));
    wait(now, state);
    if (state.waiting < chunk) continue;
    run(waited(state), {{TttEvent::update, {0, chunk}}});
    state.waiting = 0;
  }
  return out.empty() ? x.q : join(out, 1);
}

// What the fast weights say, [b, t, channels of this rank].
Var CausalLact::memory(Ctx& c, const Var& x, const std::vector<Var>& qkv, const TokenLayout& tokens,
                       const Tensor& places, State* state) const {
  auto per_head = [&](const Var& z) { return split_heads(z, 1, heads_)[0]; };  // [b, heads, t, .]
  const Var wide = widened(x);
  const std::vector<Var> rates =
      rates_of_heads(softplus(shift(lr_proj_(c, wide), inverse_softplus(base_rate))), heads_);
  FastWeightTokens t{.q = folded(c, qkv[0], 0, places),
                     .k = folded(c, qkv[1], 1, places),
                     .v = fold_heads(per_head(cfg_.qkv_silu && !cfg_.no_v_silu ? silu(qkv[2]) : qkv[2])),
                     .rate0 = rates[0],
                     .rate1 = rates[1],
                     .rate2 = rates[2],
                     .momentum = {}};
  if (momentum_proj_) t.momentum = fold_heads(per_head(sigmoid((*momentum_proj_)(c, wide))));
  const Var out = state != nullptr ? carried_on(c, t, x.dim(0), *state)
                                   : run_fast_weights(c, learned(c, x.dim(0)), t, plan(tokens.tokens), cfg_.rule(),
                                                      {.tokens = &tokens, .mode = mode_})
                                         .out;
  Var o = ttt_norm_(c, unfold_heads(out, x.dim(0)));
  if (ttt_scale_proj_) o = mul(o, per_head(silu((*ttt_scale_proj_)(c, x))));
  return join_heads({o});
}

Var CausalLact::operator()(Ctx& c, const Var& rows, const TokenLayout& tokens, State* state) const {
  const Var x = gather_tokens(c, rows, tokens.held());
  const Var all = qkv_(c, x);
  const std::int64_t n = all.dim(2) / 3;
  std::vector<Var> qkv = pieces(all, 2, std::array{n, n, n});
  if (q_norm_) qkv[0] = (*q_norm_)(c, qkv[0]), qkv[1] = (*k_norm_)(c, qkv[1]);
  const Tensor places = positions_of(tokens, c.device, state != nullptr ? state->attention.tokens : 0);
  auto heads = [&](const Var& z) { return split_heads(z, 1, attn_heads_)[0]; };
  const Heads seen{rope(heads(qkv[0]), places, {cfg_.rope_theta}), rope(heads(qkv[1]), places, {cfg_.rope_theta}),
                   heads(qkv[2])};
  const Var o = state != nullptr ? carried_attention(seen, cfg_.window_size, state->attention)
                                 : causal_attention(c, seen, tokens, cfg_.window_size);
  return scatter_tokens(c, o_proj_(c, add(join_heads({o}), memory(c, x, qkv, tokens, places, state))));
}

}  // namespace lact
