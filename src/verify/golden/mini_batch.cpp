// TTT-Linear and TTT-MLP: the layer with its fast weights, sums and inner values.
#include <algorithm>

#include "base/check.hpp"
#include "verify/golden/mini_batch.hpp"

namespace lact::golden {

MiniBatchTttConfig mini_batch_config(Case& c, const std::string& type) {
  MiniBatchTttConfig cfg;
  cfg.ttt_layer_type = c.hparams().has("type") ? c.hparams()["type"].text() : type;
  cfg.num_attention_heads = c.integer("heads", cfg.num_attention_heads);
  cfg.mini_batch_size = c.integer("mini_batch", cfg.mini_batch_size);
  cfg.ttt_base_lr = c.number("base_lr", cfg.ttt_base_lr);
  cfg.rope_theta = c.number("rope_theta", cfg.rope_theta);
  cfg.share_qk = c.flag("share_qk");
  cfg.use_gate = c.flag("use_gate");
  cfg.conv_kernel = c.integer("conv_kernel", cfg.conv_kernel);
  for (const char* key : {"ln_eps", "post_norm_eps"})
    check(c.number(key, MiniBatchTtt::eps) == MiniBatchTtt::eps, "{}: norms of this layer have the epsilon {}", key,
          MiniBatchTtt::eps);
  return cfg;
}

void compare_inner_weights(Case& c, const std::string& prefix, const std::string& suffix, const InnerWeights& w,
                           std::int64_t batch) {
  auto compare = [&](const std::string& name, const Var& x) {
    const Tensor t = view(x, {batch, x.dim(0) / batch, x.dim(1), x.dim(2)}).value();
    c.compare(prefix + name + suffix, t, Kind::output);
  };
  const std::int64_t f = w.w1.dim(1) - 1;
  compare("W1", cut(w.w1, 1, {0, f}));
  compare("b1", cut(w.w1, 1, {f, f + 1}));
  if (!w.hidden()) return;
  compare("W2", w.w2);
  compare("b2", w.b2);
}

namespace {

// Values of the first mini-batch.
void compare_first(Case& c, const MiniBatchTokens& x, const MiniBatchRule& rule, std::int64_t batch) {
  const std::int64_t tokens = std::min(x.q.dim(1), rule.size());
  auto by_heads = [&](const Var& y) {
    return view(cut(y, 1, {0, tokens}), {batch, y.dim(0) / batch, tokens, y.dim(2)}).value();
  };
  c.compare("mid.token_eta_mb0", rule.position_scale.value().cut(0, {0, tokens}), Kind::output);
  c.compare("mid.ttt_lr_eta_mb0", by_heads(x.rate), Kind::output);
  c.compare("mid.xq_rot_mb0", by_heads(x.q), Kind::output);
  c.compare("mid.xk_rot_mb0", by_heads(x.k), Kind::output);
  c.compare("mid.xv_mb0", by_heads(x.v), Kind::output);
}

void compare_states(Case& c, const MiniBatchState& s, const MiniBatchRule& rule, std::int64_t batch) {
  const std::int64_t inside = s.offset % rule.size();
  if (s.offset >= rule.size()) compare_inner_weights(c, "out.", "_after_full", s.start, batch);
  if (inside == 0) return compare_inner_weights(c, "out.", "_final", s.start, batch);
  const Var scale_of_last = cut(rule.position_scale, 0, {inside - 1, inside});
  compare_inner_weights(c, "out.", "_final", moved(s.start, s.sums, scale_of_last), batch);
  compare_inner_weights(c, "out.", "_grad_accum", s.sums, batch);
}

void mini_batch_case(Case& c, const std::string& type) {
  const MiniBatchTttConfig cfg = mini_batch_config(c, type);
  ParameterStore store;
  const MiniBatchTtt layer(Scope(store), c.hparams()["hidden"].integer(), cfg);
  c.load(store);
  Tape tape;
  Ctx ctx = c.context(&tape);
  Var dx;
  const Var x = tape.leaf(c.input("in.x"), [&dx](const Var& g) { dx = g; });
  check(x.shape().size() == 3, "in.x has the shape {}, not [batch, tokens, channels]", text_of(x.shape()));
  const std::int64_t batch = x.dim(0);
  MiniBatchTtt::State state = layer.initial(ctx, batch);
  const MiniBatchTokens tokens = layer.project(ctx, x, state);
  const MiniBatchRule rule = layer.rule(ctx, batch);
  const MiniBatchRun run = run_mini_batches(ctx, state.inner, tokens, rule);
  const Var o = layer.normed(ctx, tokens.q, run.z, batch), y = layer.output(ctx, o, x);
  compare_first(c, tokens, rule, batch);
  c.compare("mid.xqw", o.value(), Kind::output);
  c.compare("out.y", y.value(), Kind::output);
  compare_states(c, run.state, rule, batch);
  tape.backward(y, c.input("cot.out"));
  check(bool(dx), "no gradient came to in.x");
  c.compare("grad.x", dx.value(), Kind::gradient);
  c.compare_gradients(store);

  Ctx plain = c.context(nullptr);
  const MiniBatchTtt::Result again = layer.token_by_token(plain, x.value());
  c.compare("out.y", again.y.value(), Kind::output);
  compare_states(c, again.state.inner, layer.rule(plain, batch), batch);
}

}  // namespace

void ttt_linear_case(Case& c) { mini_batch_case(c, "linear"); }
void ttt_mlp_case(Case& c) { mini_batch_case(c, "mlp"); }

}  // namespace lact::golden
