// The layer of gated linear attention: names, gradients, no look ahead, and any split of the sequence.
#include "layers/recurrent/gla.hpp"

#include "base/check.hpp"
#include "layers/recurrent/splits.hpp"

namespace lact {
namespace {

struct Gla : Bench {
  GatedLinearAttention layer;
  explicit Gla(const GlaConfig& cfg = {.num_heads = 2, .gate_low_rank_dim = 3, .gate_logit_normalizer = 2})
      : layer(Scope(store) / "attn", 8, cfg, {}) {
    lay_out();
  }
  Layer whole() {
    return [this](Ctx& c, const Var& x) { return layer(c, x); };
  }
};

TEST(Gla, NamesAndShapesAreTheOriginals) {
  Gla b;
  auto shape = [&](const std::string& name) { return b.store.find("attn." + name)->shape; };
  EXPECT_EQ(shape("q_proj.weight"), (Shape{4, 8}));
  EXPECT_EQ(shape("k_proj.weight"), (Shape{4, 8}));
  EXPECT_EQ(shape("v_proj.weight"), (Shape{8, 8}));
  EXPECT_EQ(shape("g_proj.weight"), (Shape{8, 8}));
  EXPECT_EQ(shape("gk_proj.0.weight"), (Shape{3, 8}));
  EXPECT_EQ(shape("gk_proj.1.weight"), (Shape{4, 3}));
  EXPECT_EQ(shape("gk_proj.1.bias"), (Shape{4}));
  EXPECT_EQ(shape("g_norm.weight"), (Shape{4}));
  EXPECT_EQ(shape("o_proj.weight"), (Shape{8, 8}));
  EXPECT_EQ(b.store.parameters().size(), 9u);
}

TEST(Gla, GradientsOfInputAndParameters) {
  Gla b;
  expect_layer_gradients(b, b.whole(), random_tensor({2, 19, 8}, "x"));
}

TEST(Gla, SeesNoLaterTokenAndNoOtherSample) {
  Gla b;
  const Tensor x = random_tensor({1, 40, 8}, "x"), other = random_tensor({1, 40, 8}, "other");
  const Tensor before = b.value(b.whole(), x);
  for (std::int64_t kept : {1, 15, 16, 17, 39}) {
    const Tensor changed = join({Var(x.cut(1, {0, kept})), Var(other.cut(1, {kept, 40}))}, 1).value();
    EXPECT_LE(difference(b.value(b.whole(), changed).cut(1, {0, kept}), before.cut(1, {0, kept})), 1e-14) << kept;
  }
  expect_items_apart(b, b.whole(), 8);
}

TEST(Gla, AnySplitOfTheSequenceIsTheSame) {
  Gla b;
  expect_any_split_is_the_same<GlaState>(
      b, random_tensor({2, 21, 8}, "x"), [&](Ctx& c, const Var& x, GlaState& s) { return b.layer(c, x, &s); },
      [](const GlaState& s) { return std::vector<Var>{s.memory}; });
}

TEST(Gla, OfNothing) {
  Gla b;
  EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {2, 0, 8}, DType::f64)).shape(), (Shape{2, 0, 8}));
  EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {0, 3, 8}, DType::f64)).shape(), (Shape{0, 3, 8}));
}

TEST(Gla, ImpossibleNumbersAreOneSentence) {
  ParameterStore store;
  EXPECT_THROW(GatedLinearAttention(Scope(store) / "a", 8, {.num_heads = 3}, {}), Error);
  EXPECT_THROW(GatedLinearAttention(Scope(store) / "b", 8, {.num_heads = 0}, {}), Error);
  EXPECT_THROW(GatedLinearAttention(Scope(store) / "c", 8, {.num_heads = 2, .gate_logit_normalizer = 0}, {}), Error);
}

}  // namespace
}  // namespace lact
