// The fast-weight layer of view synthesis, in f64, and what a plan means to it. Over ranks:
// layers/layers_on_ranks_test.
#include "layers/fast_weights/ttt.hpp"
#include "support/layer_bench.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(Ttt, Gradients) {
  for (std::int64_t steps : {0, 2}) {
    Bench b;
    const Ttt layer(Scope(b.store), 6,
                    {.head_dim = 3, .inter_multi = 1.5, .base_lr = 0.1, .muon_update_steps = steps, .bias = true}, {});
    b.lay_out();
    // the fast weights also set the norm targets, which are detached: see run_plan_test
    const TttPlan plan{
        {TttEvent::update, {0, 5}}, {TttEvent::apply, {0, 3}}, {TttEvent::update, {3, 7}}, {TttEvent::apply, {2, 7}}};
    expect_layer_gradients(b, [&](Ctx& c, const Var& x) { return layer(c, x, plan).y; }, random_tensor({2, 7, 6}, "x"),
                           {"w0", "w1", "w2"});
  }
}

TEST(Ttt, ItemsOfABatchDoNotMeet) {
  Bench b;
  const Ttt ttt(Scope(b.store), 6, {.head_dim = 3, .muon_update_steps = 5}, {});
  b.lay_out();
  const Layer f = [&](Ctx& c, const Var& in) { return ttt(c, in, plan_views(5, 2)).y; };
  expect_items_apart(b, f, 6);
}

TEST(Ttt, GoesOnFromAGivenState) {
  Bench b;
  const Ttt layer(Scope(b.store), 6, {.head_dim = 3, .inter_multi = 2, .muon_update_steps = 5}, {});
  b.lay_out();
  Ctx c = b.on(nullptr);
  const Tensor x = random_tensor({2, 7, 6}, "x");
  const Ttt::Result once = layer(c, x, {{TttEvent::update, {0, 7}}, {TttEvent::apply, {0, 7}}}),
                    first = layer(c, x, {{TttEvent::update, {0, 7}}});
  EXPECT_FALSE(bool(first.y));
  EXPECT_EQ(first.state.w0.shape(), (Shape{4, 3, 6}));
  EXPECT_EQ(first.state.w1.shape(), (Shape{4, 6, 3}));
  EXPECT_TRUE(same_bits(layer(c, x, {{TttEvent::apply, {0, 7}}}, &first.state).y.value(), once.y.value()));
}

TEST(Ttt, ImpossibleSizesAreOneSentence) {
  ParameterStore store;
  const Scope s(store);
  EXPECT_NE(sentence_of([&] { Ttt(s / "a", 10, {.head_dim = 4}, {}); }).find("head_dim 4"), std::string::npos);
  EXPECT_NE(sentence_of([&] { Ttt(s / "b", 8, {.head_dim = 4, .inter_multi = 0.1}, {}); }).find("inter_multi=0.1"),
            std::string::npos);
  EXPECT_NE(sentence_of([&] { Ttt(s / "c", 8, {.head_dim = 4, .base_lr = 0}, {}); }).find("base_lr=0"),
            std::string::npos);
  EXPECT_NE(
      sentence_of([&] { Ttt(s / "d", 8, {.head_dim = 4, .muon_update_steps = -1}, {}); }).find("muon_update_steps=-1"),
      std::string::npos);
}

}  // namespace
}  // namespace lact
