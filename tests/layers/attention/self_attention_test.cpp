// Softmax attention as a layer, in f64. Over ranks: layers/layers_on_ranks_test.
#include "layers/attention/self_attention.hpp"
#include "support/layer_bench.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(SelfAttention, Gradients) {
  for (bool norm : {false, true})
    for (bool causal : {false, true}) {
      Bench b;
      const SelfAttention layer(Scope(b.store), 6, {.head_dim = 3, .use_qk_norm = norm, .causal = causal, .bias = true},
                                {});
      b.lay_out();
      expect_layer_gradients(
          b, [&](Ctx& c, const Var& x) { return layer(c, x); }, random_tensor({2, 5, 6}, "x"));
    }
}

TEST(SelfAttention, ACausalOneDoesNotLookAhead) {
  Bench b;
  const SelfAttention attention(Scope(b.store), 6, {.head_dim = 3, .causal = true}, {});
  b.lay_out();
  const Layer f = [&](Ctx& c, const Var& in) { return attention(c, in); };
  expect_no_look_ahead(b, f, 6);
}

TEST(SelfAttention, ItemsOfABatchDoNotMeet) {
  Bench b;
  const SelfAttention attention(Scope(b.store), 6, {.head_dim = 3}, {});
  b.lay_out();
  const Layer f = [&](Ctx& c, const Var& in) { return attention(c, in); };
  expect_items_apart(b, f, 6);
}

TEST(SelfAttention, ImpossibleSizesAreOneSentence) {
  ParameterStore store;
  const Scope s(store);
  EXPECT_NE(sentence_of([&] { SelfAttention(s / "e", 10, {.head_dim = 4}, {}); }).find("head_dim 4"),
            std::string::npos);
  EXPECT_NE(sentence_of([&] { SelfAttention(s / "f", 10, {.head_dim = 0}, {}); }).find("head_dim 0"),
            std::string::npos);
}

}  // namespace
}  // namespace lact
