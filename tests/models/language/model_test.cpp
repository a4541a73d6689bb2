// Language models over ranks of cp and tp against the same on one rank, in f64: losses, gradients, judgements, with
// vocabularies that divide over tp and such that do not.
#include "models/language/model.hpp"

#include <cmath>

#include "layers/token_layout.hpp"
#include "models/language/small_models.hpp"
#include "support/on_ranks.hpp"

namespace lact {
namespace {

// Newton-Schulz amplifies rounding by some hundreds in a layer, and two layers stand behind one another.
double bound_of(const LanguageConfig& cfg) { return cfg.has_fast_weights() && cfg.lact.use_muon ? 10 * same : 1e-12; }

LanguageConfig small(const std::string& type, std::int64_t vocabulary) {
  LanguageConfig cfg = small_model(type, 12, norms_its_heads(type) ? 96 : 24);
  cfg.vocab_size = vocabulary, cfg.z_loss = 0.01;
  cfg.lact.use_muon = true;
  cfg.window_beside = type == "gla" || type == "ttt";
  return cfg;
}

Batch batch(std::int64_t samples, std::int64_t context, std::int64_t vocabulary) {
  std::vector<std::int32_t> tokens, targets;
  double valid = 0;
  for (std::int64_t i = 0; i < samples * context; ++i) {
    tokens.push_back(std::int32_t((7 * i + i * i) % vocabulary));
    targets.push_back(i % 5 == 3 ? -1 : std::int32_t((3 * i + 1) % vocabulary));
    valid += targets.back() >= 0;
  }
  Batch b;
  b.tensors["tokens"] = Tensor::of(tested(), {samples, context}, std::span<const std::int32_t>(tokens));
  b.tensors["targets"] = Tensor::of(tested(), {samples, context}, std::span<const std::int32_t>(targets));
  b.valid = valid;
  return b;
}

double loss_and_gradients(LanguageModel& model, Built& built, const Batch& b) {
  Tape tape;
  Ctx c{&tape, tested(), built.mesh};
  const Var loss = loss_of(model, c, b, false);
  tape.backward(loss, ones_like(loss));
  return loss.value().item();
}

void compare(const LanguageConfig& cfg, CpMode mode, std::int64_t context, const Grid& g) {
  const std::string what = cfg.model_type + " of " + std::to_string(cfg.vocab_size) + " words, " +
                           std::to_string(context) + " tokens, " + lact::name_of(mode) + ", " + name_of(g);
  const Batch b = batch(2, context, cfg.vocab_size);
  Mesh alone = Mesh::alone(), mesh(g, with_transport(world(), Transport::best, "test"));
  mesh.meet_on(tested());
  Built one(alone), many(mesh);
  LanguageModel want(one.store, cfg), got(many.store, cfg, mode);
  one.lay_out(), many.lay_out();
  const double whole = loss_and_gradients(want, one, b);
  dawdle(mesh.world());
  const Tensor part = Tensor::empty(tested(), {1}, DType::f64);
  kernels::fill(part, loss_and_gradients(got, many, b));
  mesh.along(Axes(Axis::cp) | Axis::tp).all_reduce(part).wait();
  EXPECT_NEAR(part.item(), whole, bound_of(cfg) * std::abs(whole)) << what;
  for (const Parameter& p : many.store.parameters())
    expect_close(many.gradient(p), piece_of(one.store.gradient(*one.store.find(p.name)), p, mesh),
                 what + " gradient of " + p.name, bound_of(cfg));

  Ctx ca{nullptr, tested(), alone}, cb{nullptr, tested(), mesh};
  const LanguageModel::Judged a = want.judge(ca, b), j = got.judge(cb, b);
  expect_close(j.loss, a.loss, what + " judged loss", bound_of(cfg));
  EXPECT_EQ(j.right.to_doubles(), a.right.to_doubles()) << what;
  double sum = 0;
  for (const double x : a.loss.to_doubles()) sum += x;
  EXPECT_GT(whole, sum / b.valid) << "the loss has a term of the z loss besides";
  LanguageConfig cfg_without = cfg;
  cfg_without.z_loss = 0;
  Built without(alone);
  LanguageModel plain(without.store, cfg_without);
  without.lay_out();
  EXPECT_NEAR(loss_without_gradients(plain, ca, b), sum / b.valid, bound_of(cfg) * sum / b.valid) << what;
}

TEST(LanguageModelOnRanks, IsThatOfOneRank) {
  for (const Grid& g : grids())
    for (const std::int64_t vocabulary : {12, 13})
      for (const std::int64_t context : {3, 17}) {
        for (const CpMode mode : {CpMode::tokens, CpMode::heads})
          compare(small("lact_swiglu", vocabulary), mode, context, g);
        for (const char* type : {"transformer", "ttt", "gla", "delta_net", "linear_attention", "mamba", "mamba2"})
          compare(small(type, vocabulary), CpMode::tokens, context, g);
        LanguageConfig raw = small("lact_swiglu", vocabulary);
        raw.lact.use_muon = false;
        compare(raw, CpMode::tokens, context, g);
        LanguageConfig convolved = small("ttt", vocabulary);
        convolved.pre_conv = convolved.ttt.share_qk = convolved.ttt.use_gate = true;
        compare(convolved, CpMode::tokens, context, g);
      }
}

TEST(LanguageModelOnRanks, TiedEndsShareOneParameter) {
  LanguageConfig cfg = small("lact_swiglu", 12);
  cfg.tie_word_embeddings = true;
  for (const Grid& g : grids()) compare(cfg, CpMode::tokens, 17, g);
}

TEST(LanguageModel, DecaysMatricesAndNoScalesNormsAndBiases) {
  for (const char* type : language_model_types) {
    LanguageConfig cfg = small(type, 12);
    cfg.ttt.ttt_layer_type = "mlp";
    ParameterStore store;
    const LanguageModel model(store, cfg);
    for (const Parameter& p : store.parameters()) {
      const std::string last = p.name.substr(p.name.rfind('.') + 1);
      const bool small_number = p.name.find("norm") != std::string::npos || last.ends_with("bias") || last == "A_log" ||
                                last == "D" || last == "b1" || last == "b2" || last == "qk_scale" ||
                                last == "qk_offset" || last == "learnable_token_idx";
      EXPECT_NE(p.decays(), small_number) << type << ": " << p.name;
    }
  }
}

struct PublishedTtt {
  std::int64_t width, blocks, heads, hidden;
};

// Counted from the shapes of the parameters: maps, inner weights and biases, rates, norms, taps.
std::int64_t parameters_on_paper(const PublishedTtt& p, bool mlp, bool mamba) {
  const std::int64_t d = p.width, f = d / p.heads, k = 16, taps = 4;
  const std::int64_t inner = mlp ? p.heads * (8 * f * f + 5 * f) : p.heads * (f * f + f);
  // a gate stands in the place of the keys' map
  const std::int64_t layer = 4 * d * d + inner + p.heads * (d + 1) + 2 * d + 2 * d + k;
  const std::int64_t convolutions = mamba ? 3 * (taps * d + d) + d : 0;  // with the norm before the first
  return 32000 * d + p.blocks * (layer + convolutions + 3 * d * p.hidden + 2 * d) + d;
}

TEST(LanguageModel, CountsTheParametersOfPublishedTttModels) {
  for (const PublishedTtt& p :
       {PublishedTtt{768, 12, 12, 2048}, {1024, 24, 16, 2736}, {1536, 24, 16, 4096}, {2048, 24, 32, 5504}})
    for (const bool mlp : {false, true})
      for (const bool mamba : {false, true}) {
        LanguageConfig cfg;
        cfg.model_type = "ttt", cfg.hidden_size = p.width, cfg.num_hidden_layers = p.blocks, cfg.vocab_size = 32000;
        cfg.intermediate_size = p.hidden, cfg.tie_word_embeddings = true;
        cfg.ttt.num_attention_heads = p.heads, cfg.ttt.ttt_layer_type = mlp ? "mlp" : "linear";
        cfg.pre_conv = cfg.ttt.share_qk = cfg.ttt.use_gate = mamba;
        ParameterStore store;
        const LanguageModel model(store, cfg);
        std::int64_t count = 0;
        for (const Parameter& parameter : store.parameters()) count += count_of(parameter.shape);
        EXPECT_EQ(count, parameters_on_paper(p, mlp, mamba)) << p.width << " mlp " << mlp << " mamba " << mamba;
      }
}

TEST(LanguageModel, CountsThePublishedParameters) {
  LanguageConfig cfg;
  cfg.hidden_size = 1536, cfg.num_hidden_layers = 24, cfg.vocab_size = 32000;
  cfg.lact.num_attn_heads = 24, cfg.lact.w0_w2_low_rank = 32;
  ParameterStore store;
  const LanguageModel model(store, cfg);
  std::int64_t count = 0;
  for (const Parameter& p : store.parameters()) count += p.count();
  EXPECT_EQ(count, 797625312);  // of the published 760M configs
  cfg.hidden_size = 3072;
  ParameterStore larger;
  const LanguageModel three(larger, cfg);
  count = 0;
  for (const Parameter& p : larger.parameters()) count += p.count();
  EXPECT_EQ(count, 2982516192);
}

TEST(LanguageModel, ImpossibleValuesAreNamed) {
  auto refused = [](auto change) {
    LanguageConfig cfg = small("lact_swiglu", 12);
    change(cfg);
    EXPECT_THROW(cfg.check_values(), Error);
  };
  refused([](LanguageConfig& c) { c.model_type = "recurrent"; });
  refused([](LanguageConfig& c) { c.hidden_size = 25; });
  refused([](LanguageConfig& c) { c.lact.num_attn_heads = 5; });
  refused([](LanguageConfig& c) { c.lact.num_lact_heads = 0; });
  refused([](LanguageConfig& c) { c.lact.lact_chunk_size = 0; });
  refused([](LanguageConfig& c) { c.num_kv_heads = 5; });
  refused([](LanguageConfig& c) { c.vocab_size = 0; });
  refused([](LanguageConfig& c) { c.model_type = "gla", c.gla.num_heads = 0; });
  refused([](LanguageConfig& c) { c.model_type = "gla", c.gla.expand_k = std::nan(""); });
  refused([](LanguageConfig& c) { c.model_type = "delta_net", c.delta_net.num_heads = 7; });
  refused([](LanguageConfig& c) { c.model_type = "mamba", c.mamba.expand = 0; });
  refused([](LanguageConfig& c) { c.model_type = "mamba2", c.mamba2.mamba_heads = 0; });
  refused([](LanguageConfig& c) { c.model_type = "transformer", c.lact.window_size = -5; });
  refused([](LanguageConfig& c) { c.model_type = "transformer", c.lact.rope_theta = 0; });
}

}  // namespace
}  // namespace lact
