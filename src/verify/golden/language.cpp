#include "verify/golden/language.hpp"
#include "base/config.hpp"
#include "kernels/tokens.hpp"
#include "layers/attention/causal_attention.hpp"
#include "verify/golden/formula.hpp"

namespace lact::golden {
namespace {

// The keys that a file's hparams have.
void read_keys(Case& c, const Fields& keys) {
  for (const Fields::Field& f : keys.fields()) {
    if (!c.hparams().has(f.key) || c.hparams()[f.key].is_null()) continue;
    if (bool* const* flag = std::get_if<bool*>(&f.place))
      **flag = c.flag(f.key);
    else if (std::int64_t* const* number = std::get_if<std::int64_t*>(&f.place))
      **number = c.integer(f.key, 0);
    else if (double* const* real = std::get_if<double*>(&f.place))
      **real = c.number(f.key, 0);
    else
      *std::get<std::string*>(f.place) = c.hparams()[f.key].text();
  }
}

// What a layer's file leaves out is false, and its matrices are whole.
CausalLactConfig layer_config(Case& c) {
  CausalLactConfig cfg;
  for (bool* flag : {&cfg.use_momentum, &cfg.qkv_silu, &cfg.learnable_ttt_scale}) *flag = false;
  read_keys(c, Fields::of(cfg));
  return cfg;
}

}  // namespace

Batch next_tokens(const Tensor& tokens, std::int64_t vocabulary) {
  Batch b;
  check(tokens.dims() == 2 && tokens.dim(1) > 1, "tokens {} are no sequences", text_of(tokens.shape()));
  const std::int64_t samples = tokens.dim(0), context = tokens.dim(1);
  std::vector<std::int32_t> targets;
  const std::vector<double> all = tokens.to_doubles();
  for (std::size_t i = 0; i < all.size(); ++i) {
    check(all[i] >= 0 && all[i] < double(vocabulary), "token {} of {}", all[i], vocabulary);
    targets.push_back(std::int64_t(i) % context + 1 < context ? std::int32_t(all[i + 1]) : -1);
  }
  b.tensors["tokens"] = tokens;
  b.tensors["targets"] = Tensor::of(tokens.device(), tokens.shape(), std::span<const std::int32_t>(targets));
  b.valid = double(samples * (context - 1));
  return b;
}

void compare_head(Case& c, const std::string& prefix, LanguageModel& model, ParameterStore& store, Ctx& ctx,
                  const Var& x, const Batch& b) {
  Ctx plain = c.context(nullptr);
  c.compare(prefix + "logits", model.logits(plain, detach(x), b).value(), Kind::output);
  const Var loss = model.head(ctx, x, b);
  c.compare(prefix + "loss", loss.value(), Kind::output);
  store.zero_gradients();
  ctx.tape->backward(loss, ones_like(loss));
  c.compare_gradients(store);
}

void causal_lact_case(Case& c) {
  const CausalLactConfig cfg = layer_config(c);
  c.newton_schulz(cfg.use_muon);
  ParameterStore store;
  CausalLact layer(Scope(store), c.hparams()["hidden_size"].integer(), cfg, CpMode::tokens, 0.02);
  layer_case(c, store, layer);
}

void language_case(Case& c) {
  LanguageConfig cfg;
  read_keys(c, Fields::of(cfg));
  const Batch b = next_tokens(c.input("tokens", DType::i32), cfg.vocab_size);
  c.newton_schulz(cfg.lact.use_muon);
  if (cfg.tie_word_embeddings) c.also_named("model.embeddings.weight", "lm_head.weight");
  ParameterStore store;
  LanguageModel model(store, cfg);
  c.load(store);
  Tape tape;
  Ctx ctx = c.context(&tape);
  Var x = model.embed(ctx, b);
  for (int i = 0; i < model.blocks(); ++i) x = model.block(ctx, i, x, b);
  compare_head(c, "", model, store, ctx, x, b);
  for (const auto& [name, eps] : {std::pair{"train_eps1e-8", 1e-8}, {"train_eps1e-15", 1e-15}}) {
    if (!c.has(std::string(name) + ".loss")) continue;
    ParameterStore again;
    LanguageModel fresh(again, cfg);
    c.load(again);
    LearningConfig learning{.lr = 1e-3,
                            .constant_lr = true,
                            .beta1 = 0.9,
                            .beta2 = 0.95,
                            .eps = eps,
                            .weight_decay = 0.1,
                            .decay_all = true,
                            .grad_clip = 1,
                            .skip_norm = 0,
                            .free_steps = -1};
    compare_curve(c, name, fresh, again, learning, b);
  }
}

void window_attention_case(Case& c) {
  const Json& h = c.hparams();
  const std::string style = h["rope_style"].text();
  check(style == "half" || style == "interleaved", "rope_style '{}' is neither half nor interleaved", style);
  const Rope turn{c.number("rope_base", 10000), style == "interleaved"};
  Inputs x(c, {"q", "k", "v"});
  Ctx ctx = c.context(&x.tape);
  const std::int64_t tokens = x["q"].dim(2), first = c.integer("position_offset", 0);
  const Tensor positions = Tensor::empty(c.device(), {tokens}, DType::i32);
  kernels::positions(positions, first, first + tokens + 1);
  const Var q = rope(x["q"], positions, turn), k = rope(x["k"], positions, turn);
  c.compare_if_present("out.q_rot", q.value(), Kind::output);
  c.compare_if_present("out.k_rot", k.value(), Kind::output);
  compare_formula(c, x,
                  {{"o", causal_attention(ctx, {q, k, x["v"]}, TokenLayout::whole(tokens), h["window"].integer())}});
}

}  // namespace lact::golden
