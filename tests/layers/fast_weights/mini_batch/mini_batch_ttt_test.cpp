// TTT-Linear and TTT-MLP, in f64. Over ranks: layers/layers_on_ranks_test.
#include "layers/fast_weights/mini_batch/mini_batch_ttt.hpp"
#include "support/layer_bench.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

MiniBatchTttConfig config(const char* type, bool both) {
  MiniBatchTttConfig cfg;
  cfg.ttt_layer_type = type, cfg.num_attention_heads = 2, cfg.mini_batch_size = 3, cfg.ttt_base_lr = 2;
  cfg.share_qk = cfg.use_gate = both;
  cfg.conv_kernel = 3;
  return cfg;
}
const std::vector<MiniBatchTttConfig> variants{config("linear", false), config("linear", true), config("mlp", false),
                                               config("mlp", true)};

TEST(MiniBatchTtt, Gradients) {
  for (const MiniBatchTttConfig& cfg : variants) {
    Bench b;
    const MiniBatchTtt layer(Scope(b.store), 8, cfg);
    b.lay_out();
    expect_layer_gradients(
        b, [&](Ctx& c, const Var& x) { return layer(c, x).y; }, random_tensor({2, 8, 8}, "x"));
  }
}

TEST(MiniBatchTtt, DoesNotLookAheadAndItemsDoNotMeet) {
  for (const MiniBatchTttConfig& cfg : variants) {
    Bench b;
    const MiniBatchTtt layer(Scope(b.store), 8, cfg);
    b.lay_out();
    const Layer f = [&](Ctx& c, const Var& x) { return layer(c, x).y; };
    expect_no_look_ahead(b, f, 8);
    expect_items_apart(b, f, 8);
  }
}

// y of x in parts that end at these tokens, with what each leaves for the next.
Var in_parts(const MiniBatchTtt& layer, Ctx& c, const Var& x, const std::vector<std::int64_t>& ends, bool products) {
  MiniBatchTtt::State state = layer.initial(c, x.dim(0));
  std::vector<Var> y;
  std::int64_t at = 0;
  for (const std::int64_t end : ends) {
    const Var part = cut(x, 1, {at, end});
    const MiniBatchTtt::Result r = products ? layer(c, part, &state) : layer.token_by_token(c, part, &state);
    y.push_back(r.y), state = r.state, at = end;
  }
  return join(y, 1);
}

TEST(MiniBatchTtt, GoesOnFromAnyToken) {
  for (const MiniBatchTttConfig& cfg : variants) {
    Bench b;
    const MiniBatchTtt layer(Scope(b.store), 8, cfg);
    b.lay_out();
    Ctx c = b.on(nullptr);
    const Tensor x = random_tensor({2, 11, 8}, "x"), whole = layer(c, x).y.value();
    for (const auto& ends : std::vector<std::vector<std::int64_t>>{
             {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {3, 11}, {4, 11}, {2, 10, 11}, {0, 7, 7, 11}, {11}})
      for (bool products : {false, true})
        EXPECT_LE(difference(in_parts(layer, c, x, ends, products).value(), whole), 1e-11)
            << cfg.ttt_layer_type << " after " << ends[0];
  }
}

TEST(MiniBatchTtt, AStateHoldsThePastAlone) {
  Bench b;
  const MiniBatchTtt layer(Scope(b.store), 8, config("linear", true));
  b.lay_out();
  Ctx c = b.on(nullptr);
  const Tensor x = random_tensor({2, 7, 8}, "x");
  const MiniBatchTtt::State s = layer(c, x).state;
  EXPECT_EQ(s.inner.offset, 7);
  EXPECT_EQ(s.seen.shape(), (Shape{2, 3, 8}));
  EXPECT_EQ(s.inner.start.w1.shape(), (Shape{4, 5, 4}));
  EXPECT_EQ(s.inner.sums.w1.shape(), (Shape{4, 5, 4}));
  EXPECT_FALSE(bool(layer(c, x.cut(1, {0, 6})).state.inner.sums)) << "nothing is summed yet at a boundary";
  EXPECT_EQ(layer(c, x.cut(1, {0, 0})).y.shape(), (Shape{2, 0, 8}));
  EXPECT_EQ(layer.token_by_token(c, x.cut(1, {0, 0})).y.shape(), (Shape{2, 0, 8}));
}

TEST(MiniBatchTtt, APositionScaleBelowZeroIsZero) {
  Bench b;
  const MiniBatchTtt layer(Scope(b.store), 8, config("linear", false));
  b.lay_out();
  rewrite(b.store.value(*b.store.find("learnable_token_idx")),
          [](std::int64_t i, double) { return i == 1 ? -0.75 : 0.25; });
  b.store.zero_gradients();
  Tape tape;
  Ctx c = b.on(&tape);
  const Var y = layer(c, random_tensor({1, 9, 8}, "x")).y;
  EXPECT_EQ(layer.rule(c, 1).position_scale.value().to_doubles(), (std::vector<double>{1.25, 0, 1. / 3 + 0.25}));
  tape.backward(y, random_tensor({1, 9, 8}, "u"));
  const auto slopes = b.store.gradient(*b.store.find("learnable_token_idx")).to_doubles();
  EXPECT_NE(slopes[0], 0);
  EXPECT_EQ(slopes[1], 0);
  EXPECT_NE(slopes[2], 0);
}

TEST(MiniBatchTtt, BeginsWithThePublishedValues) {
  ParameterStore store;
  const MiniBatchTtt layer(Scope(store), 64, config("mlp", true));
  Mesh mesh = Mesh::alone();
  store.lay_out(tested(), mesh, 5);
  auto deviation = [&](const char* name) {
    const Tensor t = store.value(*store.find(name));
    return std::sqrt(inner(t, t) / double(t.count()));
  };
  for (const char* name : {"W1", "W2", "q_proj.weight", "v_proj.weight", "o_proj.weight", "g_proj.weight"})
    EXPECT_NEAR(deviation(name), 0.02, 0.002) << name;  // of 4,096 numbers or more
  for (const char* name :
       {"b1", "b2", "learnable_ttt_lr_bias", "learnable_token_idx", "ttt_norm_bias", "post_norm.bias"})
    EXPECT_EQ(deviation(name), 0) << name;
  for (const char* name : {"ttt_norm_weight", "post_norm.weight"}) EXPECT_EQ(deviation(name), 1) << name;
  EXPECT_NEAR(deviation("conv_q.weight"), 1 / 3., 0.06) << "uniform within 1 / sqrt(3)";
}

TEST(MiniBatchTtt, ImpossibleSizesAreOneSentence) {
  auto said = [](auto change) {
    ParameterStore store;
    MiniBatchTttConfig cfg = config("linear", false);
    change(cfg);
    return sentence_of([&] { MiniBatchTtt(Scope(store), 8, cfg); });
  };
  EXPECT_NE(said([](auto& c) { c.ttt_layer_type = "cubic"; }).find("ttt_layer_type=cubic"), std::string::npos);
  EXPECT_NE(said([](auto& c) { c.num_attention_heads = 3; }).find("num_attention_heads=3"), std::string::npos);
  EXPECT_NE(said([](auto& c) { c.num_attention_heads = 8; }).find("even width"), std::string::npos);
  EXPECT_NE(said([](auto& c) { c.mini_batch_size = 0; }).find("mini_batch_size=0"), std::string::npos);
  EXPECT_NE(said([](auto& c) { c.ttt_base_lr = -1; }).find("ttt_base_lr=-1"), std::string::npos);
  EXPECT_NE(said([](auto& c) { c.scan_checkpoint_group_size = -1; }).find("scan_checkpoint_group_size=-1"),
            std::string::npos);
}

}  // namespace
}  // namespace lact
