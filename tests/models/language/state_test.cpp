// A carried state against the whole sequence at once, in f64: every kind of layer, every split, over ranks of cp and
// tp.
#include "models/language/state.hpp"

#include "models/language/causality.hpp"
#include "models/language/small_models.hpp"
#include "support/on_ranks.hpp"

namespace lact {
namespace {

// The last call of a split gives the logits of all its tokens, the others those of their last.
void expect_same(LanguageModel& model, Ctx c, const Tensor& tokens, const Tensor& want,
                 const std::vector<std::int64_t>& split, const std::string& what) {
  LanguageState state;
  std::int64_t at = 0;
  for (std::size_t i = 0; i < split.size(); ++i) {
    const Range r{at, at + split[i]};
    at = r.end;
    const bool last = i + 1 == split.size();
    const Tensor got = model.advance(c, tokens.cut(1, r), state,
                                     last ? LanguageModel::Logits::of_all : LanguageModel::Logits::of_last);
    expect_close(got, want.cut(1, {last ? r.begin : r.end - 1, r.end}), what + " up to token " + std::to_string(at));
    EXPECT_EQ(state.position, at);
  }
}

const std::vector<std::vector<std::int64_t>> splits{
    {17}, {5, 12}, {1, 16}, {3, 1, 1, 9, 3}, {10, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 8}};

void compare(const LanguageConfig& cfg, const std::string& name) {
  const Tensor tokens = small_tokens(2, {0, 34});
  Mesh alone = Mesh::alone();
  Built one(alone);
  LanguageModel whole(one.store, cfg);
  one.lay_out();
  const Tensor want = outputs_of(whole, {nullptr, tested(), alone})(tokens);
  for (const Grid& g : grids()) {
    Mesh mesh(g, with_transport(world(), Transport::best, "test"));
    mesh.meet_on(tested());
    Built built(mesh);
    LanguageModel model(built.store, cfg);
    built.lay_out();
    // calls of several ranks take longer: one split with single tokens, chunks and tails is enough there
    for (std::size_t i = world().size() > 1 ? 3 : 0; i < (world().size() > 1 ? 4 : splits.size()); ++i)
      expect_same(model, {nullptr, tested(), mesh}, tokens, want, splits[i],
                  name + " on " + name_of(g) + " in " + std::to_string(splits[i].size()) + " calls");
  }
}

TEST(LanguageState, GivesTheWholeSequencesNumbers) {
  for (const char* type : language_model_types) compare(small_model(type), type);
  for (const char* type : {"ttt", "gla", "delta_net", "linear_attention", "mamba", "mamba2"}) {
    LanguageConfig cfg = small_model(type);
    cfg.window_beside = true, cfg.num_kv_heads = 6;
    compare(cfg, std::string(type) + " beside a window");
  }
}

TEST(LanguageState, HoldsForEveryRuleOfFastWeights) {
  auto with = [](const char* name, auto change) {
    LanguageConfig cfg = small_model("lact_swiglu");
    change(cfg.lact);
    compare(cfg, name);
  };
  with("muon", [](CausalLactConfig& c) { c.use_muon = true; });
  with("without momentum", [](CausalLactConfig& c) { c.use_momentum = false, c.ttt_nope = true; });
  with("pre-norm", [](CausalLactConfig& c) { c.ttt_prenorm = true, c.qkv_silu = false; });
  with("fused rules", [](CausalLactConfig& c) { c.use_fused_kernel = c.use_muon = true, c.inter_multi = 2; });
  with("fused pre-norm", [](CausalLactConfig& c) { c.use_fused_kernel = c.ttt_prenorm = true, c.no_v_silu = true; });
  with("low rank", [](CausalLactConfig& c) { c.w0_w2_low_rank = 2, c.attn_qk_norm = c.qkv_bias = true; });
  with("no limit", [](CausalLactConfig& c) { c.window_size = 0, c.learnable_ttt_scale = false; });
  with("window of one", [](CausalLactConfig& c) { c.window_size = 1, c.lact_chunk_size = 1; });
  with("one chunk", [](CausalLactConfig& c) { c.lact_chunk_size = 64, c.window_size = 64; });
}

TEST(LanguageState, HoldsForSharedKeysAndForFullAttention) {
  for (const std::int64_t window : {0, 1, 3, 64}) {
    LanguageConfig cfg = small_model("transformer");
    cfg.lact.num_attn_heads = 12, cfg.num_kv_heads = 6, cfg.lact.window_size = window;
    compare(cfg, "transformer with a window of " + std::to_string(window));
  }
  LanguageConfig convolved = small_model("ttt");
  convolved.ttt.share_qk = convolved.ttt.use_gate = true, convolved.ttt.ttt_layer_type = "mlp";
  compare(convolved, "ttt with shared projections");
  convolved.pre_conv = true;
  compare(convolved, "ttt with convolutions before its blocks");
}

TEST(LanguageState, ACopyGoesOnByItself) {
  const Tensor tokens = small_tokens(1, {0, 17});
  for (const char* type : {"lact_swiglu", "transformer", "ttt", "gla"}) {
    Mesh alone = Mesh::alone();
    Built built(alone);
    LanguageModel model(built.store, small_model(type));
    built.lay_out();
    Ctx c{nullptr, tested(), alone};
    LanguageState state;
    model.advance(c, tokens.cut(1, {0, 7}), state);
    LanguageState fork = state;
    const std::vector<double> want = model.advance(c, tokens.cut(1, {7, 9}), state).to_doubles();
    model.advance(c, tokens.cut(1, {11, 17}), state);
    EXPECT_EQ(model.advance(c, tokens.cut(1, {7, 9}), fork).to_doubles(), want) << type;
    EXPECT_EQ(fork.position, 9) << type;
  }
}

TEST(LanguageState, RefusesOtherSamples) {
  Mesh alone = Mesh::alone();
  Built built(alone);
  LanguageModel model(built.store, small_model("gla"));
  built.lay_out();
  Ctx c{nullptr, tested(), alone};
  LanguageState state;
  EXPECT_THROW(model.advance(c, small_tokens(1, {0, 0}), state), Error);
  model.advance(c, small_tokens(1, {0, 3}), state);
  EXPECT_THROW(model.advance(c, small_tokens(2, {0, 6}), state), Error);
  EXPECT_EQ(state.position, 3);
}

}  // namespace
}  // namespace lact
