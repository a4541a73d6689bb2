#include "layers/fast_weights/mini_batch/mini_batch_ttt.hpp"

#include <cmath>

#include "autograd/collectives.hpp"
#include "base/check.hpp"
#include "kernels/tokens.hpp"
#include "layers/fast_weights/heads.hpp"

namespace lact {
namespace {

constexpr double deviation = 0.02;  // of all matrices at the start

std::int64_t checked_heads(std::int64_t dim, const MiniBatchTttConfig& cfg, int tp) {
  cfg.check_values(dim);
  check(cfg.num_attention_heads % tp == 0, "num_attention_heads={} do not divide over {} ranks of tp",
        cfg.num_attention_heads, tp);
  return cfg.num_attention_heads / tp;
}
// Parameters [heads, ...] and [channels, ...], split over tp along their first dim.
const Parameter& per_head(Scope s, std::string_view name, const Shape& shape, Init init) {
  return s.parameter(name, shape, std::move(init), TpSplit{1, shape[0], count_of(shape) / shape[0]});
}
Tensor counted_up(Device& d, std::int64_t n, std::int64_t first, std::int64_t period) {
  const Tensor y = Tensor::empty(d, {n}, DType::i32);
  kernels::positions(y, first, period);
  return y;
}

}  // namespace

void MiniBatchTttConfig::fields(Fields& f) {
  f("ttt_layer_type", ttt_layer_type, "linear, or mlp with a hidden layer of four times the width of a head");
  f("num_attention_heads", num_attention_heads, "heads, each with fast weights of its own");
  f("mini_batch_size", mini_batch_size, "tokens whose inner gradients are taken at the same fast weights");
  f("ttt_base_lr", ttt_base_lr, "largest inner learning rate, before it is divided by the width of a head");
  f("rope_theta", rope_theta, "base of the rotary positions, which begin again with each mini-batch");
  f("share_qk", share_qk, "queries and keys are two convolutions of one projection");
  f("use_gate", use_gate, "outputs are multiplied by a gate");
  f("conv_kernel", conv_kernel, "taps of these convolutions");
  f("scan_checkpoint_group_size", scan_checkpoint_group_size,
    "mini-batches that the backward pass computes again together; 0 keeps all activations");
}

void MiniBatchTttConfig::check_values(std::int64_t dim) const {
  check(ttt_layer_type == "linear" || ttt_layer_type == "mlp", "ttt_layer_type={}: linear and mlp are known",
        ttt_layer_type);
  check(num_attention_heads > 0 && dim % (2 * num_attention_heads) == 0,
        "num_attention_heads={} do not divide a width of {} into heads of an even width", num_attention_heads, dim);
  check(mini_batch_size > 0 && mini_batch_size < 1 << 20, "mini_batch_size={} is not in 1 ... 2^20", mini_batch_size);
  check(ttt_base_lr > 0, "ttt_base_lr={} is not a positive rate", ttt_base_lr);
  check(rope_theta > 0, "rope_theta={} is not a positive base", rope_theta);
  check(conv_kernel > 0 && conv_kernel < 1 << 10, "conv_kernel={} is not in 1 ... 2^10", conv_kernel);
  check(scan_checkpoint_group_size >= 0, "scan_checkpoint_group_size={} is negative", scan_checkpoint_group_size);
}

MiniBatchTtt::MiniBatchTtt(Scope s, std::int64_t dim, const MiniBatchTttConfig& cfg)
    : cfg_(cfg),
      heads_(checked_heads(dim, cfg, s.tp())),
      head_dim_(dim / cfg.num_attention_heads),
      w1_(per_head(s, "W1",
                   {cfg.num_attention_heads, head_dim_, cfg.ttt_layer_type == "mlp" ? 4 * head_dim_ : head_dim_},
                   gaussian(deviation))),
      b1_(per_head(s.without_decay(), "b1", {cfg.num_attention_heads, 1, w1_.shape[2]}, constant(0))),
      rate_{per_head(s, "learnable_ttt_lr_weight", {cfg.num_attention_heads, 1, dim}, gaussian(deviation)),
            per_head(s.without_decay(), "learnable_ttt_lr_bias", {cfg.num_attention_heads, 1}, constant(0))},
      inner_norm_{per_head(s.without_decay(), "ttt_norm_weight", {cfg.num_attention_heads, head_dim_}, constant(1)),
                  per_head(s.without_decay(), "ttt_norm_bias", {cfg.num_attention_heads, head_dim_}, constant(0))},
      post_norm_{(s / "post_norm").parameter("weight", {dim}, constant(1)),
                 (s / "post_norm").parameter("bias", {dim}, constant(0))},
      token_idx_(s.parameter("learnable_token_idx", {cfg.mini_batch_size}, constant(0))),
      q_proj_(s / "q_proj", dim, dim, gaussian(deviation), false, LinearSplit::columns),
      v_proj_(s / "v_proj", dim, dim, gaussian(deviation), false, LinearSplit::columns),
      o_proj_(s / "o_proj", dim, dim, gaussian(deviation)) {
  if (cfg.ttt_layer_type == "mlp") {
    w2_ = &per_head(s, "W2", {cfg.num_attention_heads, 4 * head_dim_, head_dim_}, gaussian(deviation));
    b2_ = &per_head(s.without_decay(), "b2", {cfg.num_attention_heads, 1, head_dim_}, constant(0));
  }
  if (cfg.share_qk) {
    auto convolution = [&](std::string_view name) {
      const Init init = torch_linear(cfg.conv_kernel);
      return Affine{per_head(s / name, "weight", {dim, 1, cfg.conv_kernel}, init),
                    per_head(s / name, "bias", {dim}, init)};
    };
    conv_q_.emplace(convolution("conv_q"));
    conv_k_.emplace(convolution("conv_k"));
  } else {
    k_proj_.emplace(s / "k_proj", dim, dim, gaussian(deviation), false, LinearSplit::columns);
  }
  if (cfg.use_gate) g_proj_.emplace(s / "g_proj", dim, dim, gaussian(deviation));
}

Var MiniBatchTtt::OfHeads::parameter(Ctx& c, const Parameter& p) const {
  const Var whole = use(c, p);
  return heads.size() == whole.dim(0) ? whole : cut(whole, 0, heads);
}

Var MiniBatchTtt::OfHeads::channels(Ctx& c, const Parameter& p) const {
  const Var whole = use(c, p);
  const Range mine{heads.begin * layer.head_dim_, heads.end * layer.head_dim_};
  return mine.size() == whole.dim(0) ? whole : cut(whole, 0, mine);
}

MiniBatchTtt::State MiniBatchTtt::OfHeads::initial(Ctx& c, std::int64_t batch) const {
  State s;
  s.inner.start.w1 = tiled(join({parameter(c, layer.w1_), parameter(c, layer.b1_)}, 1), batch);
  if (layer.w2_ == nullptr) return s;
  s.inner.start.w2 = tiled(parameter(c, *layer.w2_), batch);
  s.inner.start.b2 = tiled(parameter(c, *layer.b2_), batch);
  return s;
}

MiniBatchTtt::Projections MiniBatchTtt::projections(Ctx& c, const Var& x) const {
  const Var weight = use(c, rate_.weight), bias = use(c, rate_.bias);
  const Var rate = sigmoid(linear(widened(x), view(weight, {heads_, weight.dim(2)}), view(bias, {heads_})));
  return {.q = q_proj_(c, x),
          .k = k_proj_ ? (*k_proj_)(c, x) : Var(),
          .v = v_proj_(c, x),
          .rate = scale(rate, cfg_.ttt_base_lr / double(head_dim_))};
}

MiniBatchTokens MiniBatchTtt::OfHeads::tokens(Ctx& c, const Projections& p, State& state) const {
  const std::int64_t t = p.q.dim(1), kernel = layer.cfg_.conv_kernel;
  Var q = p.q, k = p.k;
  if (!k) {  // the first kernel - 1 outputs belong to tokens before
    if (!state.seen) state.seen = Tensor::zeros(c.device, {q.dim(0), kernel, q.dim(2)}, q.value().dtype());
    const Var all = join({state.seen, q}, 1), near = cut(all, 1, {1, kernel + t});
    state.seen = cut(all, 1, {t, kernel + t});
    auto convolved = [&](const Affine& by) {
      const Var w = channels(c, by.weight);
      const Var y = causal_convolution(near, view(w, {w.dim(0), kernel}), channels(c, by.bias));
      return cut(y, 1, {kernel - 1, kernel - 1 + t});
    };
    q = convolved(*layer.conv_q_), k = convolved(*layer.conv_k_);
  }
  const Tensor positions = counted_up(c.device, t, state.inner.offset, layer.cfg_.mini_batch_size);
  auto by_heads = [&](const Var& y) { return split_heads(y, 1, heads.size())[0]; };
  auto turned = [&](const Var& y) { return rope(by_heads(y), positions, {layer.cfg_.rope_theta, true}); };
  return {.q = fold_heads(widened(turned(q))),
          .k = fold_heads(widened(turned(k))),
          .v = fold_heads(widened(by_heads(p.v))),
          .rate = fold_heads(by_heads(p.rate))};
}

MiniBatchTokens MiniBatchTtt::project(Ctx& c, const Var& x, State& state) const {
  return of_all_heads().tokens(c, projections(c, x), state);
}

MiniBatchRule MiniBatchTtt::OfHeads::rule(Ctx& c, std::int64_t batch) const {
  auto of_items = [&](const Parameter& p) {
    return tiled(view(parameter(c, p), {heads.size(), 1, layer.head_dim_}), batch);
  };
  const std::int64_t size = layer.cfg_.mini_batch_size;
  const Var learned = use(c, layer.token_idx_), slot = counted_up(c.device, size, 0, size);
  const Var plain = inverse(shift(cast(slot, learned.value().dtype()), 1));
  return {.norm = {of_items(layer.inner_norm_.weight), of_items(layer.inner_norm_.bias), eps},
          .position_scale = relu(add(plain, learned)),
          .group = layer.cfg_.scan_checkpoint_group_size};
}

Var MiniBatchTtt::OfHeads::normed(Ctx& c, const Var& q, const Var& z, std::int64_t batch) const {
  auto of_heads = [&](const Parameter& p) { return view(parameter(c, p), {heads.size(), 1, layer.head_dim_}); };
  const Var u = unfold_heads(layer_norm(z, {}, eps), batch);  // [b, h, t, f]
  const Var y = add(mul(u, of_heads(layer.inner_norm_.weight)), of_heads(layer.inner_norm_.bias));
  return join_heads({add(unfold_heads(q, batch), y)});
}

MiniBatchTtt::Result MiniBatchTtt::OfHeads::run(Ctx& c, const Projections& p, const State* before,
                                                bool products) const {
  const std::int64_t batch = p.q.dim(0);
  State state = before ? *before : initial(c, batch);
  const MiniBatchTokens x = tokens(c, p, state);
  const MiniBatchRule how = rule(c, batch);
  const MiniBatchRun inner = products ? run_mini_batches(c, state.inner, x, how) : run_primal(state.inner, x, how);
  state.inner = inner.state;
  return {normed(c, x.q, inner.z, batch), state};
}

Var MiniBatchTtt::output(Ctx& c, const Var& o, const Var& rows) const {
  const Var normed = add(layer_norm(o, use(c, post_norm_.weight), eps), use(c, post_norm_.bias));
  const Var y = cast(normed, rows.value().dtype());
  return o_proj_(c, g_proj_ ? mul(y, gelu_tanh((*g_proj_)(c, rows))) : y);
}

MiniBatchTtt::Result MiniBatchTtt::call(Ctx& c, const Var& x, const State* before, bool products) const {
  Result r = of_all_heads().run(c, projections(c, x), before, products);
  r.y = output(c, r.y, x);
  return r;
}

MiniBatchTtt::Result MiniBatchTtt::operator()(Ctx& c, const Var& x, const State* before) const {
  return call(c, x, before, true);
}

MiniBatchTtt::Result MiniBatchTtt::token_by_token(Ctx& c, const Var& x, const State* before) const {
  return call(c, x, before, false);
}

Var MiniBatchTtt::by_heads(Ctx& c, const Projections& mine, const TokenLayout& tokens) const {
  Communicator& cp = c.mesh.along(Axis::cp);
  check(cp.size() <= heads_, "{} heads are too few for {} ranks of cp, each of which needs one", heads_, cp.size());
  const std::vector<std::int64_t> held = tokens.counts();
  std::vector<std::int64_t> channels = even_counts(heads_, cp.size());
  std::vector<Range> by_rank;  // the tokens of all ranks, one rank after the other
  for (const auto& ranges : tokens.of_rank) by_rank.insert(by_rank.end(), ranges.begin(), ranges.end());
  auto of_own_heads = [&](const Var& x, std::int64_t width) {
    std::vector<std::int64_t> counts = channels;
    for (std::int64_t& n : counts) n *= width;
    return x ? in_sequence_order(all_to_all(x, 2, 1, cp, counts, held), tokens) : Var();
  };
  const Projections whole{of_own_heads(mine.q, head_dim_), of_own_heads(mine.k, head_dim_),
                          of_own_heads(mine.v, head_dim_), of_own_heads(mine.rate, 1)};
  const OfHeads own{*this, even_part(heads_, cp.rank(), cp.size())};
  const Var o = own.run(c, whole, nullptr, true).y;
  for (std::int64_t& n : channels) n *= head_dim_;
  return all_to_all(gather_rows(o, by_rank), 1, 2, cp, held, channels);
}

Var MiniBatchTtt::operator()(Ctx& c, const Var& x, const TokenLayout& tokens, State* state) const {
  const Projections p = projections(c, gather_tokens(c, x, tokens.held()));
  auto whole = [&] {
    Result r = of_all_heads().run(c, p, state != nullptr && state->inner.start.w1 ? state : nullptr, true);
    if (state != nullptr) *state = r.state;
    return r.y;
  };
  Var o = tokens.of_rank.size() > 1 ? by_heads(c, p, tokens) : whole();
  Communicator& tp = c.mesh.along(Axis::tp);
  if (tp.size() > 1) {  // all channels of this rank's rows
    const std::vector<std::int64_t> channels(std::size_t(tp.size()), o.dim(2));
    o = all_to_all(o, 1, 2, tp, even_counts(o.dim(1), tp.size()), channels);
  }
  return output(c, o, x);
}

}  // namespace lact
