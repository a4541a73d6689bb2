// Between tokens and the heads of fast weights.
#include "layers/fast_weights/heads.hpp"
#include "support/gradcheck.hpp"

namespace lact {
namespace {

TEST(Heads, RatesBeginAtTheBaseRate) {
  for (double a : {1e-6, 0.001, 0.01, 1.0, 30.0})
    EXPECT_NEAR(std::log1p(std::exp(inverse_softplus(a))), a, 1e-12 * a + 1e-16);
  EXPECT_NEAR(inverse_softplus(0.01), -4.600166019324897, 1e-14);
}

TEST(Heads, FoldIntoItemsAndBack) {
  const Tensor x = random_tensor({2, 3, 5, 4}, "x");
  const Var folded = fold_heads(x);
  EXPECT_EQ(folded.shape(), (Shape{6, 5, 4}));
  EXPECT_TRUE(same_bits(folded.value().select(0, 1 * 3 + 2), x.select(0, 1).select(0, 2))) << "item b * heads + h";
  EXPECT_TRUE(same_bits(unfold_heads(folded, 2).value(), x));
}

TEST(Heads, EverySampleStartsFromTheSameWeights) {
  const Tensor w = random_tensor({3, 5, 4}, "w");
  const Tensor all = tiled(w, 2).value();
  EXPECT_EQ(all.shape(), (Shape{6, 5, 4}));
  for (std::int64_t b : {0, 1}) EXPECT_TRUE(same_bits(all.cut(0, {3 * b, 3 * b + 3}), w));
  EXPECT_TRUE(same_bits(tiled(w, 1).value(), w));
}

}  // namespace
}  // namespace lact
