// Language models of TTT layers: one pass, steps of training, and decoding with what is carried from token to token.
#include <algorithm>

#include "autograd/broadcast.hpp"
#include "base/check.hpp"
#include "verify/golden/language.hpp"
#include "verify/golden/mini_batch.hpp"

namespace lact::golden {
namespace {

LanguageConfig model_config(Case& c) {
  const std::string backbone = c.hparams()["backbone"].text();
  check(backbone == "transformer" || backbone == "mamba", "backbone '{}' is neither transformer nor mamba", backbone);
  LanguageConfig cfg;
  cfg.model_type = "ttt";
  cfg.ttt = mini_batch_config(c, c.name().starts_with("lm_mlp") ? "mlp" : "linear");
  cfg.hidden_size = c.hparams()["hidden"].integer();
  cfg.num_hidden_layers = c.hparams()["layers"].integer();
  cfg.vocab_size = c.hparams()["vocab"].integer();
  cfg.intermediate_size = c.hparams()["intermediate"].integer();
  cfg.norm_eps = c.number("rms_norm_eps", cfg.norm_eps);
  cfg.tie_word_embeddings = c.flag("tie_word_embeddings", true);
  cfg.pre_conv = c.flag("pre_conv", backbone == "mamba");
  return cfg;
}

void one_pass(Case& c, const LanguageConfig& cfg) {
  ParameterStore store;
  LanguageModel model(store, cfg);
  c.load(store);
  const Batch b = next_tokens(c.input("in.tokens", DType::i32), cfg.vocab_size);
  Tape tape;
  Ctx ctx = c.context(&tape);
  Var x = model.embed(ctx, b);
  for (int i = 0; i < model.blocks(); ++i) {
    x = model.block(ctx, i, x, b);
    c.compare("mid.hidden" + std::to_string(i), x.value(), Kind::output);
  }
  const Tensor weight = store.value(parameter_named(c, store, "model.norm.weight"));
  c.compare("mid.final_norm", rms_norm(detach(x), weight, cfg.norm_eps).value(), Kind::output);
  compare_head(c, "out.", model, store, ctx, x, b);
}

// A step per batch; the last loss is that of the first batch afterwards.
void training(Case& c, const LanguageConfig& cfg) {
  const Json& adamw = c.hparams()["adamw"];
  const LearningConfig learning{.lr = adamw["lr"].number(),
                                .constant_lr = true,
                                .beta1 = adamw["beta1"].number(),
                                .beta2 = adamw["beta2"].number(),
                                .eps = adamw["eps"].number(),
                                .weight_decay = adamw["weight_decay"].number(),
                                .decay_all = true,
                                .grad_clip = 0,
                                .skip_norm = 0,
                                .free_steps = -1};
  ParameterStore store;
  LanguageModel model(store, cfg);
  c.load(store);
  const Tensor tokens = c.input("train.tokens", DType::i32);
  check(tokens.dims() == 3 && tokens.dim(0) > 0, "train.tokens {} are no batches", text_of(tokens.shape()));
  auto batch = [&](std::int64_t step) { return next_tokens(tokens.select(0, step), cfg.vocab_size); };
  Curve curve = trained(c, model, store, learning, tokens.dim(0), batch);
  Ctx plain = c.context(nullptr);
  curve.loss.push_back(loss_without_gradients(model, plain, batch(0)));
  c.compare("train.loss", tensor_of(c, curve.loss), Kind::loss_curve);
  c.compare("train.grad_norm", tensor_of(c, curve.norm), Kind::norm_curve);
  c.compare("train.final_param_norms", norms_of_parameters(c, store, c.hparams()["final_param_norms_order"]),
            Kind::output);
  const std::string prefix = "train.final.";
  for (const std::string& name : c.tensors())
    if (name.starts_with(prefix))
      c.compare(name, store.value(parameter_named(c, store, name.substr(prefix.size()))), Kind::output);
}

// What the first block carries, by the names of the originals; the convolutions of one layer see the same.
void compare_cache(Case& c, const std::string& when, const LanguageState& state, const LanguageConfig& cfg) {
  const LanguageState::OfBlock& first = state.blocks[0];
  const auto& layer = std::get<MiniBatchTtt::State>(first.layer);
  const std::string name = "cache_after_" + when + ".layer0.";
  compare_inner_weights(c, name, "_states", layer.inner.start, state.samples);
  const InnerWeights& start = layer.inner.start;
  auto zero = [](const Var& x) { return x ? Var(Tensor::zeros(x.value().device(), x.shape(), x.value().dtype())) : x; };
  const InnerWeights none{zero(start.w1), zero(start.w2), zero(start.b2)};  // at the border of a mini-batch
  compare_inner_weights(c, name, "_grad", layer.inner.sums ? layer.inner.sums : none, state.samples);
  auto compare = [&](const std::string& convolution, const Var& inputs) {
    c.compare(name + convolution, transpose(inputs).value(), Kind::output);
  };
  if (cfg.ttt.share_qk) compare("ttt_conv_q", layer.seen), compare("ttt_conv_k", layer.seen);
  if (cfg.pre_conv) compare("pre_conv", first.before);
}

Tensor likeliest(Case& c, const Tensor& logits) {  // [samples, 1, vocabulary] -> i32 [samples, 1]
  const std::vector<double> all = logits.to_doubles();
  const auto classes = std::size_t(logits.dim(2));
  std::vector<std::int32_t> ids;
  for (std::size_t row = 0; row < all.size(); row += classes) {
    const auto begin = all.begin() + std::ptrdiff_t(row), end = begin + std::ptrdiff_t(classes);
    ids.push_back(std::int32_t(std::max_element(begin, end) - begin));
  }
  return Tensor::of(c.device(), {logits.dim(0), 1}, std::span<const std::int32_t>(ids));
}

void decoding(Case& c, const LanguageConfig& cfg) {
  ParameterStore store;
  LanguageModel model(store, cfg);
  c.load(store);
  Ctx plain = c.context(nullptr);
  const Tensor tokens = next_tokens(c.input("decode.tokens", DType::i32), cfg.vocab_size).tensor("tokens");
  const std::int64_t prefill = c.hparams()["prefill"].integer(), samples = tokens.dim(0);
  check(prefill > 0 && prefill < tokens.dim(1), "a prefill of {} among decode.tokens {}", prefill,
        text_of(tokens.shape()));
  LanguageState state = model.first_state(samples);
  const Tensor behind_prefill = model.advance(plain, dense(tokens.cut(1, {0, prefill})), state);
  c.compare("decode.prefill_last_logits", behind_prefill.view({samples, cfg.vocab_size}), Kind::output);
  compare_cache(c, "prefill", state, cfg);
  const LanguageState after_prefill = state;
  std::vector<Var> steps, greedy;
  for (std::int64_t at = prefill; at < tokens.dim(1); ++at)
    steps.emplace_back(model.advance(plain, dense(tokens.cut(1, {at, at + 1})), state));
  c.compare("decode.step_logits", join(steps, 1).value(), Kind::output);
  compare_cache(c, "decode", state, cfg);
  state = after_prefill;
  Tensor chosen = likeliest(c, behind_prefill);
  for (std::int64_t i = 0; i < c.shape("decode.greedy_tokens").at(1); ++i) {
    if (i > 0) chosen = likeliest(c, model.advance(plain, chosen, state));
    greedy.emplace_back(cast(Var(chosen), DType::f64));
  }
  c.compare("decode.greedy_tokens", join(greedy, 1).value(), Kind::exact);
}

}  // namespace

void ttt_model_case(Case& c) {
  const LanguageConfig cfg = model_config(c);
  cfg.check_values();
  one_pass(c, cfg);
  training(c, cfg);
  decoding(c, cfg);
}

}  // namespace lact::golden
