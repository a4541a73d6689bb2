// The feed-forward layer, in f64. Over ranks: layers/layers_on_ranks_test.
#include "layers/mlp.hpp"
#include "support/layer_bench.hpp"

namespace lact {
namespace {

TEST(Mlp, Gradients) {
  Bench b;
  const Mlp layer(Scope(b.store), 6, 1.5, true, {});
  b.lay_out();
  expect_layer_gradients(
      b, [&](Ctx& c, const Var& x) { return layer(c, x); }, random_tensor({2, 5, 6}, "x"));
}

}  // namespace
}  // namespace lact
