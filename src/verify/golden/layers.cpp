#include <charconv>

#include "base/check.hpp"
#include "layers/attention/self_attention.hpp"
#include "layers/fast_weights/minimal.hpp"
#include "layers/fast_weights/ttt.hpp"
#include "layers/mlp.hpp"
#include "verify/golden/golden.hpp"

namespace lact::golden {

Tensor or_zeros(const Var& g, const Tensor& of) {
  return g ? g.value() : Tensor::zeros(of.device(), of.shape(), of.dtype());
}

namespace {

MinimalConfig minimal_config(Case& c) {
  MinimalConfig m;
  m.head_dim = c.integer("head_dim", m.head_dim);
  m.inter_multi = c.number("inter_multi", 1);
  m.base_lr = c.number("base_lr", 0.01);
  m.use_muon = c.flag("use_muon");
  m.use_o_norm = c.flag("use_o_norm");
  m.qk_l2_norm = c.flag("qk_l2_norm");
  m.bias = c.flag("bias");
  m.attn_head_dim = c.integer("attn_head_dim", m.head_dim);
  m.lact_chunk_size = c.integer("lact_chunk_size", m.lact_chunk_size);
  bool unlimited = c.hparams().has("window_size") && c.hparams()["window_size"].is_null();
  m.window_size = unlimited ? 0 : c.integer("window_size", m.window_size);
  m.use_momentum = c.flag("use_momentum");
  m.ttt_scale_before_sum = c.flag("ttt_scale_before_sum");
  c.newton_schulz(m.use_muon);
  return m;
}

}  // namespace

// <shape>.<variant>.y and .grad_x for variants nvs<steps> and llm; bf16 ones are information.
void newton_schulz_case(Case& c) {
  for (const std::string& name : c.tensors()) {
    if (name.find("bf16") != std::string::npos) c.information(name);
    if (!name.ends_with(".y") || name.find("bf16") != std::string::npos) continue;
    std::string path = name.substr(0, name.size() - 2), shape = path.substr(0, path.rfind('.'));
    std::string variant = path.substr(path.rfind('.') + 1);
    NewtonSchulz ns = NewtonSchulz::language();
    if (variant.starts_with("nvs")) {
      std::int64_t steps = 0;
      std::from_chars(variant.data() + 3, variant.data() + variant.size(), steps);
      ns = NewtonSchulz::view_synthesis(steps);
    } else {
      check(variant == "llm", "{}: unknown variant '{}'", name, variant);
    }
    c.newton_schulz(!ns.steps.empty());
    bool tiny = c.has(shape + ".x_times_1e7");
    Tape tape;
    Var x = tape.leaf(c.input(tiny ? shape + ".x_times_1e7" : shape + ".x"));
    Var y = ns(tiny ? scale(x, 1e-7) : x);
    c.compare(name, y.value(), Kind::output);
    if (c.has(path + ".grad_x"))
      c.compare(path + ".grad_x", tape.grad(y, {&x, 1}, c.input(shape + ".G"))[0].value(), Kind::gradient);
  }
}

void fast_weight_case(Case& c) {
  const std::vector<std::string> inputs = {"w0", "w1", "w2", "q", "k", "v", "lr0", "lr1", "lr2"};
  for (const auto& [order, h] : c.hparams()["orders"].members()) {
    std::int64_t steps = h.has("muon_update_steps") ? h["muon_update_steps"].integer() : 0;
    c.newton_schulz(steps > 0);
    Tape tape;
    Ctx ctx = c.context(&tape);
    std::vector<Var> in;
    for (const std::string& name : inputs) in.push_back(tape.leaf(c.input(name)));
    FastWeightRule rule;
    rule.orthogonalise = NewtonSchulz::view_synthesis(steps);
    FastWeightTokens tokens{
        .q = in[3], .k = in[4], .v = in[5], .rate0 = in[6], .rate1 = in[7], .rate2 = in[8], .momentum = {}};
    FastWeightRun run = run_fast_weights(ctx, {in[0], in[1], in[2]}, tokens, plan_of(h["ops"]), rule);
    std::string at = order + ".";
    c.compare(at + "w0_new", run.state.w0.value(), Kind::output);
    c.compare(at + "w1_new", run.state.w1.value(), Kind::output);
    c.compare(at + "w2_new", run.state.w2.value(), Kind::output);
    if (!run.out) continue;
    c.compare(at + "out", run.out.value(), Kind::output);
    std::vector<Var> grads = tape.grad(run.out, in, c.input(at + "G"));
    for (std::size_t i = 0; i < in.size(); ++i) {
      Tensor g = or_zeros(grads[i], in[i].value());
      if (c.has(at + "grad_" + inputs[i])) {
        c.compare(at + "grad_" + inputs[i], g, Kind::gradient);
      } else {
        for (double x : g.to_doubles()) check(x == 0, "{}grad_{} is not stored, so it must be zero", at, inputs[i]);
      }
    }
  }
}

void ttt_layer_case(Case& c) {
  TttConfig t{.head_dim = c.hparams()["head_dim"].integer(),
              .inter_multi = c.number("inter_multi", 1),
              .base_lr = c.number("base_lr", 0.01),
              .muon_update_steps = c.integer("muon_update_steps", 0),
              .bias = c.flag("bias")};
  c.newton_schulz(t.muon_update_steps > 0);
  TttPlan plan = plan_of(c.hparams()["ops"]);
  ParameterStore store;
  Ttt layer(Scope(store), c.hparams()["dim"].integer(), t, {});
  FastWeights state;
  layer_case(c, store, [&](Ctx& ctx, const Var& x) {
    Ttt::Result r = layer(ctx, x, plan);
    state = r.state;
    return r.y;
  });
  FastWeights kept{detach(state.w0), detach(state.w1), detach(state.w2)};
  c.compare("state.w0", kept.w0.value(), Kind::output);
  c.compare("state.w1", kept.w1.value(), Kind::output);
  c.compare("state.w2", kept.w2.value(), Kind::output);
  if (!c.has("y_apply_with_state")) return;
  Ctx plain = c.context(nullptr);
  Tensor x = c.input("x");
  Ttt::Result again = layer(plain, x, {{TttEvent::apply, {0, x.dim(1)}}}, &kept);
  c.compare("y_apply_with_state", again.y.value(), Kind::output);
}

void self_attention_case(Case& c) {
  ParameterStore store;
  SelfAttention layer(Scope(store), c.hparams()["dim"].integer(),
                      {c.hparams()["head_dim"].integer(), c.flag("use_qk_norm"), c.flag("causal"), c.flag("bias")}, {});
  layer_case(c, store, layer);
}

void mlp_case(Case& c) {
  ParameterStore store;
  Mlp layer(Scope(store), c.hparams()["dim"].integer(), c.number("inter_multi", 4), c.flag("bias"), {});
  layer_case(c, store, layer);
}

void bidirectional_case(Case& c) {
  ParameterStore store;
  MinimalConfig cfg = minimal_config(c);
  cfg.as_written = c.name().find("_fixed") == std::string::npos;  // no other file departs from the published code
  MinimalBidirectional layer(Scope(store), c.hparams()["dim"].integer(), cfg);
  layer_case(c, store, layer);
}

void causal_case(Case& c) {
  ParameterStore store;
  MinimalConfig cfg = minimal_config(c);
  cfg.qk_l2_norm = true;  // this layer has no switch for it
  MinimalCausal layer(Scope(store), c.hparams()["dim"].integer(), cfg);
  layer_case(c, store, layer);
}

}  // namespace lact::golden
