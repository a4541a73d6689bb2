#include "base/config.hpp"
#include "layers/fast_weights/causal_lact.hpp"
#include "verify/golden/golden.hpp"

namespace lact::golden {
namespace {

// The keys of a layer; those that a file leaves out are false, and whole matrices.
CausalLactConfig layer_config(Case& c) {
  CausalLactConfig cfg;
  for (bool* flag : {&cfg.use_momentum, &cfg.qkv_silu, &cfg.learnable_ttt_scale}) *flag = false;
  const Fields keys = Fields::of(cfg);
  for (const Fields::Field& f : keys.fields()) {
    if (!c.hparams().has(f.key)) continue;
    if (bool* const* flag = std::get_if<bool*>(&f.place))
      **flag = c.flag(f.key);
    else if (std::int64_t* const* number = std::get_if<std::int64_t*>(&f.place))
      **number = c.integer(f.key, 0);
    else
      *std::get<double*>(f.place) = c.number(f.key, 0);
  }
  return cfg;
}

}  // namespace

void causal_lact_case(Case& c) {
  const CausalLactConfig cfg = layer_config(c);
  c.newton_schulz(cfg.use_muon);
  ParameterStore store;
  CausalLact layer(Scope(store), c.hparams()["hidden_size"].integer(), cfg, CpMode::tokens, 0.02);
  layer_case(c, store, layer);
}

void window_attention_case(Case& c) {
  const Json& h = c.hparams();
  const std::string style = h["rope_style"].text();
  check(style == "half" || style == "interleaved", "rope_style '{}' is neither half nor interleaved", style);
  const Rope turn{c.number("rope_base", 10000), style == "interleaved"};
  Tape tape;
  Ctx ctx = c.context(&tape);
  std::vector<Var> in;
  for (const char* name : {"in.q", "in.k", "in.v"}) in.push_back(tape.leaf(c.input(name)));
  std::vector<std::int32_t> places;
  for (std::int64_t t = 0; t < in[0].dim(2); ++t) places.push_back(std::int32_t(c.integer("position_offset", 0) + t));
  const Tensor positions = Tensor::of(c.device(), {std::int64_t(places.size())}, std::span<const std::int32_t>(places));
  const Var q = rope(in[0], positions, turn), k = rope(in[1], positions, turn);
  c.compare_if_present("out.q_rot", q.value(), Kind::output);
  c.compare_if_present("out.k_rot", k.value(), Kind::output);
  const Var o = causal_attention(ctx, {q, k, in[2]}, TokenLayout::whole(in[0].dim(2)), h["window"].integer());
  c.compare("out.o", o.value(), Kind::output);
  const std::vector<Var> grads = tape.grad(o, in, c.input("cot.o"));
  for (std::size_t i = 0; i < in.size(); ++i)
    c.compare(std::string("grad.") + "qkv"[i], grads[i].value(), Kind::gradient);
}

}  // namespace lact::golden
