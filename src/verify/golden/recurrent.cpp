// Recurrent layers: tokens and states from their files, whole sequences, and the states that decoding carries.
#include <cmath>

#include "base/check.hpp"
#include "layers/recurrent/linear_attention.hpp"
#include "layers/recurrent/mamba.hpp"
#include "verify/golden/formula.hpp"

namespace lact::golden {
namespace {

double one_over_root(const Var& keys) { return 1 / std::sqrt(double(keys.dim(-1))); }
void check_dims(Case& c, const std::string& name, std::size_t dims) {
  check(c.shape("in." + name).size() == dims, "in.{} has shape {}, not {} dims", name, text_of(c.shape("in." + name)),
        dims);
}

}  // namespace

void gla_case(Case& c) {
  Inputs x(c, {"q", "k", "v", "g"}, {"h0"});
  const Recurrence r = gated_linear_attention(x["q"], x["k"], x["v"], x["g"], one_over_root(x["k"]), x["h0"]);
  compare_formula(c, x, {{"o", r.o}, {"final_state", r.state}});
}

void delta_rule_case(Case& c) {
  Inputs x(c, {"q", "k", "v", "beta"}, {"s0"});
  for (const char* name : {"q", "k", "v"}) check_dims(c, name, 4);
  check_dims(c, "beta", 3);
  auto tokens_first = [&](const std::string& name) { return permute(x[name], {0, 2, 1, 3}); };
  const Recurrence r = delta_rule(tokens_first("q"), tokens_first("k"), tokens_first("v"),
                                  permute(x["beta"], {0, 2, 1}), one_over_root(x["k"]), x["s0"]);
  compare_formula(c, x, {{"o", permute(r.o, {0, 2, 1, 3})}, {"final_state", r.state}});
}

void selective_scan_case(Case& c) {
  Inputs x(c, {"u", "delta", "A", "B", "C"}, {"D", "z", "delta_bias"});
  for (const char* name : {"u", "delta", "B", "C"}) check_dims(c, name, 3);
  if (c.has("in.z")) check_dims(c, "z", 3);
  auto tokens_first = [&](const std::string& name) { return permute(x[name], {0, 2, 1}); };
  const SelectiveScanned r = selective_scan({.u = tokens_first("u"),
                                             .delta = tokens_first("delta"),
                                             .a = x["A"],
                                             .b = tokens_first("B"),
                                             .c = tokens_first("C"),
                                             .d = x["D"],
                                             .z = c.has("in.z") ? tokens_first("z") : Var(),
                                             .delta_bias = x["delta_bias"],
                                             .softplus = c.flag("delta_softplus")},
                                            {});
  compare_formula(c, x, {{"y", permute(r.y, {0, 2, 1})}, {"last_state", r.state}});
}

namespace {

void compare_state(Case& c, const MambaState& s, const std::string& when) {
  c.compare("state.conv_" + when, permute(s.inputs, {0, 2, 1}).value(), Kind::output);
  c.compare("state.ssm_" + when, s.memory.value(), Kind::output);
}

// The first half at once, then token by token.
void decode(Case& c, const Mamba& layer, const Tensor& x) {
  const std::int64_t tokens = x.dim(1), half = c.hparams()["half"].integer();
  check(half >= 0 && half <= tokens, "half={} of {} tokens", half, tokens);
  Ctx plain = c.context(nullptr);
  MambaState state;
  std::vector<Var> ys{layer(plain, x.cut(1, {0, half}), &state)};
  compare_state(c, state, "half");
  for (std::int64_t t = half; t < tokens; ++t) ys.push_back(layer(plain, x.cut(1, {t, t + 1}), &state));
  compare_state(c, state, "final");
  c.compare("out.y", join(ys, 1).value(), Kind::output);
}

}  // namespace

void mamba_block_case(Case& c) {
  const Shape x_shape = c.shape("in.x"), rates = c.shape("param.A_log"), taps = c.shape("param.conv1d.weight"),
              steps = c.shape("param.dt_proj.weight");
  check(x_shape.size() == 3 && x_shape[2] > 0 && rates.size() == 2 && taps.size() == 3 && steps.size() == 2,
        "in.x {}, param.A_log {}, param.conv1d.weight {} and param.dt_proj.weight {} are of no Mamba block",
        text_of(x_shape), text_of(rates), text_of(taps), text_of(steps));
  auto there = [&](const std::string& name) { return c.has("param." + name) || c.has("grad." + name); };
  const MambaConfig cfg{.d_state = rates[1],
                        .d_conv = taps[2],
                        .expand = c.integer("expand", rates[0] / x_shape[2]),
                        .dt_rank = steps[1],
                        .conv_bias = there("conv1d.bias"),
                        .bias = there("in_proj.bias")};
  ParameterStore store;
  const Mamba layer(Scope(store), x_shape[2], cfg);
  c.load(store);
  Tape tape;
  Ctx ctx = c.context(&tape);
  Var dx;
  const Var x = tape.leaf(c.input("in.x"), [&dx](const Var& g) { dx = g; });
  const Var y = layer(ctx, x);
  c.compare("out.y", y.value(), Kind::output);
  const Tensor cotangent = c.input("cot.y");
  check(cotangent.shape() == y.shape(), "cot.y has shape {}, and out.y has {}", text_of(cotangent.shape()),
        text_of(y.shape()));
  tape.backward(y, cotangent);
  c.compare("grad.x", dx.value(), Kind::gradient);
  c.compare_gradients(store);
  decode(c, layer, x.value());
}

}  // namespace lact::golden
