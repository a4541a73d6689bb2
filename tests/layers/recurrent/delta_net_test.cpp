// The layer of DeltaNet: names, gradients, no look ahead, and any split of the sequence.
#include "layers/recurrent/delta_net.hpp"

#include "base/check.hpp"
#include "layers/recurrent/splits.hpp"

namespace lact {
namespace {

struct Delta : Bench {
  DeltaNet layer;
  explicit Delta(const DeltaNetConfig& cfg = {.num_heads = 2, .conv_size = 3})
      : layer(Scope(store) / "attn", 8, cfg, {}) {
    lay_out();
  }
  Layer whole() {
    return [this](Ctx& c, const Var& x) { return layer(c, x); };
  }
};

TEST(DeltaNet, NamesAndShapesAreTheOriginals) {
  Delta b;
  auto shape = [&](const std::string& name) { return b.store.find("attn." + name)->shape; };
  for (const char* name : {"q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight"})
    EXPECT_EQ(shape(name), (Shape{8, 8})) << name;
  for (const char* name : {"q_conv1d.weight", "k_conv1d.weight", "v_conv1d.weight"})
    EXPECT_EQ(shape(name), (Shape{8, 1, 3})) << name;
  EXPECT_EQ(shape("b_proj.weight"), (Shape{2, 8}));
  EXPECT_EQ(shape("o_norm.weight"), (Shape{4}));
  EXPECT_EQ(b.store.parameters().size(), 9u);
}

TEST(DeltaNet, GradientsOfInputAndParameters) {
  Delta b;
  expect_layer_gradients(b, b.whole(), random_tensor({2, 11, 8}, "x"));
}

TEST(DeltaNet, SeesNoLaterTokenAndNoOtherSample) {
  Delta b;
  const Tensor x = random_tensor({1, 70, 8}, "x"), other = random_tensor({1, 70, 8}, "other");
  const Tensor before = b.value(b.whole(), x);
  for (std::int64_t kept : {1, 63, 64, 65, 69}) {
    const Tensor changed = join({Var(x.cut(1, {0, kept})), Var(other.cut(1, {kept, 70}))}, 1).value();
    EXPECT_LE(difference(b.value(b.whole(), changed).cut(1, {0, kept}), before.cut(1, {0, kept})), 1e-13) << kept;
  }
  expect_items_apart(b, b.whole(), 8);
}

TEST(DeltaNet, AnySplitOfTheSequenceIsTheSame) {
  Delta b;
  expect_any_split_is_the_same<DeltaNetState>(
      b, random_tensor({2, 21, 8}, "x"), [&](Ctx& c, const Var& x, DeltaNetState& s) { return b.layer(c, x, &s); },
      [](const DeltaNetState& s) {
        return std::vector<Var>{s.memory, s.q_inputs, s.k_inputs, s.v_inputs};
      });
}

TEST(DeltaNet, OfNothing) {
  Delta b;
  EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {2, 0, 8}, DType::f64)).shape(), (Shape{2, 0, 8}));
  EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {0, 3, 8}, DType::f64)).shape(), (Shape{0, 3, 8}));
}

TEST(DeltaNet, ImpossibleNumbersAreOneSentence) {
  ParameterStore store;
  EXPECT_THROW(DeltaNet(Scope(store) / "a", 8, {.num_heads = 3}, {}), Error);
  EXPECT_THROW(DeltaNet(Scope(store) / "b", 8, {.num_heads = 2, .conv_size = 0}, {}), Error);
}

}  // namespace
}  // namespace lact
