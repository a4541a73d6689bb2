// Linear maps with parameters.
#include "layers/linear.hpp"
#include "base/check.hpp"
#include "support/layer_bench.hpp"

namespace lact {
namespace {

TEST(Linear, TakesManyDims) {
  Bench s;
  const Linear layer(Scope(s.store) / "l", 5, 3, gaussian(1), true);
  s.store.lay_out(tested(), s.mesh, 1);
  Ctx c = s.on(nullptr);
  EXPECT_EQ(layer(c, random_tensor({2, 0, 5}, "none", DType::f32)).shape(), (Shape{2, 0, 3}));
  EXPECT_EQ(layer(c, random_tensor({2, 4, 5}, "x", DType::f32)).shape(), (Shape{2, 4, 3}));
  EXPECT_EQ(s.store.find("l.bias")->decays(), false);
  EXPECT_EQ(s.store.find("l.weight")->decays(), true);
  EXPECT_THROW(layer(c, random_tensor({2, 4, 6}, "x", DType::f32)), Error);
}

}  // namespace
}  // namespace lact
