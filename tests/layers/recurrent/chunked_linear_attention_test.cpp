// Linear attention token by token and in chunks: names, gradients, no look ahead, and any split of the sequence.
#include "layers/recurrent/chunked_linear_attention.hpp"

#include "base/check.hpp"
#include "layers/recurrent/splits.hpp"

namespace lact {
namespace {

struct LinearAttentionBench : Bench {
  ChunkedLinearAttention layer;
  explicit LinearAttentionBench(std::int64_t chunk)
      : layer(Scope(store) / "attn", 8, {.num_heads = 2, .expand_k = 0.5, .chunk_size = chunk}, {}) {
    lay_out();
  }
  Layer whole() {
    return [this](Ctx& c, const Var& x) { return layer(c, x); };
  }
};

TEST(ChunkedLinearAttention, NamesAndShapes) {
  LinearAttentionBench b(5);
  auto shape = [&](const std::string& name) { return b.store.find("attn." + name)->shape; };
  EXPECT_EQ(shape("q_proj.weight"), (Shape{4, 8}));
  EXPECT_EQ(shape("k_proj.weight"), (Shape{4, 8}));
  EXPECT_EQ(shape("v_proj.weight"), (Shape{8, 8}));
  EXPECT_EQ(shape("o_norm.weight"), (Shape{4}));
  EXPECT_EQ(shape("o_proj.weight"), (Shape{8, 8}));
  EXPECT_EQ(b.store.parameters().size(), 5u);
}

TEST(ChunkedLinearAttention, GradientsOfInputAndParameters) {
  for (const std::int64_t chunk : {1, 5}) {
    LinearAttentionBench b(chunk);
    expect_layer_gradients(b, b.whole(), random_tensor({2, 13, 8}, "x"));
  }
}

TEST(ChunkedLinearAttention, SeesNoLaterTokenAndNoOtherSample) {
  for (const std::int64_t chunk : {1, 5, 16}) {
    LinearAttentionBench b(chunk);
    const Tensor x = random_tensor({1, 40, 8}, "x"), other = random_tensor({1, 40, 8}, "other");
    const Tensor before = b.value(b.whole(), x);
    for (const std::int64_t kept : {1, 4, 5, 6, 15, 16, 17, 39}) {
      const Tensor changed = join({Var(x.cut(1, {0, kept})), Var(other.cut(1, {kept, 40}))}, 1).value();
      EXPECT_LE(difference(b.value(b.whole(), changed).cut(1, {0, kept}), before.cut(1, {0, kept})), 1e-14) << kept;
    }
    expect_items_apart(b, b.whole(), 8);
  }
}

TEST(ChunkedLinearAttention, ReadsWhatStoodBeforeItsChunk) {
  LinearAttentionBench b(5);
  const Tensor x = random_tensor({1, 10, 8}, "x");
  const std::vector<double> y = b.value(b.whole(), x).to_doubles();
  for (std::size_t i = 0; i < 5 * 8; ++i) EXPECT_EQ(y[i], 0) << "the first chunk finds an empty memory";
  const Tensor turned = join({Var(x.cut(1, {2, 5})), Var(x.cut(1, {0, 2})), Var(x.cut(1, {5, 10}))}, 1).value();
  EXPECT_LE(difference(b.value(b.whole(), turned), b.value(b.whole(), x)), 1e-14) << "a sum has no order";
}

TEST(ChunkedLinearAttention, AnySplitOfTheSequenceIsTheSame) {
  for (const std::int64_t chunk : {1, 5, 16, 64}) {
    LinearAttentionBench b(chunk);
    expect_any_split_is_the_same<LinearAttentionState>(
        b, random_tensor({2, 21, 8}, "x"),
        [&](Ctx& c, const Var& x, LinearAttentionState& s) { return b.layer(c, x, &s); },
        [&](const LinearAttentionState& s) {
          EXPECT_EQ(bool(s.open), chunk > 1);
          return s.open ? std::vector<Var>{s.memory, s.open} : std::vector<Var>{s.memory};
        });
  }
}

TEST(ChunkedLinearAttention, OfNothing) {
  for (const std::int64_t chunk : {1, 5}) {
    LinearAttentionBench b(chunk);
    EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {2, 0, 8}, DType::f64)).shape(), (Shape{2, 0, 8}));
    EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {0, 3, 8}, DType::f64)).shape(), (Shape{0, 3, 8}));
  }
}

TEST(ChunkedLinearAttention, ImpossibleNumbersAreOneSentence) {
  ParameterStore store;
  EXPECT_THROW(ChunkedLinearAttention(Scope(store) / "a", 8, {.num_heads = 3}, {}), Error);
  EXPECT_THROW(ChunkedLinearAttention(Scope(store) / "b", 8, {.num_heads = 2, .chunk_size = 0}, {}), Error);
}

}  // namespace
}  // namespace lact
