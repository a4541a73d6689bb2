// The two minimal fast-weight layers, in f64.
#include "layers/fast_weights/minimal.hpp"
#include "support/layer_bench.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(MinimalBidirectional, Gradients) {
  for (bool muon : {false, true})
    for (bool as_written : {false, true}) {
      Bench b;
      const MinimalConfig cfg{
          .head_dim = 3, .inter_multi = 2, .base_lr = 0.1, .use_muon = muon, .bias = true, .as_written = as_written};
      const MinimalBidirectional layer(Scope(b.store), 6, cfg);
      b.lay_out();

      expect_layer_gradients(
          b, [&](Ctx& c, const Var& x) { return layer(c, x); }, random_tensor({2, 40, 6}, "x"));
    }
}

TEST(MinimalCausal, Gradients) {
  for (bool momentum : {false, true}) {
    Bench b;
    const MinimalConfig cfg{.head_dim = 3,
                            .base_lr = 0.1,
                            .use_muon = false,
                            .attn_head_dim = 2,
                            .lact_chunk_size = 3,
                            .window_size = 4,
                            .use_momentum = momentum,
                            .ttt_scale_before_sum = true};
    const MinimalCausal layer(Scope(b.store), 6, cfg);
    b.lay_out();
    expect_layer_gradients(
        b, [&](Ctx& c, const Var& x) { return layer(c, x); }, random_tensor({2, 10, 6}, "x"));
  }
}

TEST(MinimalCausal, DoesNotLookAhead) {
  Bench b;
  const MinimalConfig cfg{.head_dim = 3,
                          .use_muon = true,
                          .attn_head_dim = 2,
                          .lact_chunk_size = 3,
                          .window_size = 4,
                          .use_momentum = true};
  const MinimalCausal layer(Scope(b.store), 6, cfg);
  b.lay_out();
  const Layer f = [&](Ctx& c, const Var& in) { return layer(c, in); };
  expect_no_look_ahead(b, f, 6);
}

TEST(MinimalBidirectional, ItemsOfABatchDoNotMeet) {
  Bench b;
  const MinimalBidirectional minimal(Scope(b.store), 6, {.head_dim = 3});
  b.lay_out();
  const Layer f = [&](Ctx& c, const Var& in) { return minimal(c, in); };
  expect_items_apart(b, f, 6);
}

TEST(MinimalLayers, ImpossibleSizesAreOneSentence) {
  ParameterStore store;
  const Scope s(store);
  EXPECT_NE(sentence_of([&] { MinimalBidirectional(s / "g", 10, {.head_dim = 4}); }).find("head_dim 4"),
            std::string::npos);
  EXPECT_NE(
      sentence_of([&] { MinimalCausal(s / "h", 8, {.head_dim = 4, .attn_head_dim = 3}); }).find("attn_head_dim 3"),
      std::string::npos);
}

}  // namespace
}  // namespace lact
