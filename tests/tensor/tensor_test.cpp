// Tensors: views of bytes that others see too.
#include <gtest/gtest.h>

#include <cmath>

#include "base/check.hpp"
#include "tensor/tensor.hpp"

namespace lact {
namespace {

class Tensors : public testing::Test {
 protected:
  std::unique_ptr<Device> device = Device::open(Backend::cpu);
  Tensor counted(Shape s) {
    std::vector<float> v(std::size_t(count_of(s)));
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = float(i);
    return Tensor::of(*device, s, v);
  }
};

TEST_F(Tensors, ViewsShareBytes) {
  Tensor t = counted({2, 3, 4});
  Tensor row = t.cut(1, {1, 3}).select(0, 1);
  EXPECT_EQ(row.shape(), (Shape{2, 4}));
  EXPECT_EQ(row.to_doubles(), (std::vector<double>{16, 17, 18, 19, 20, 21, 22, 23}));
  t.data<float>()[16] = -1;
  EXPECT_EQ(row.to_doubles()[0], -1);
}

TEST_F(Tensors, PermuteAndExpand) {
  Tensor t = counted({2, 3}).transpose();
  EXPECT_FALSE(t.contiguous());
  EXPECT_EQ(t.to_doubles(), (std::vector<double>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(counted({1, 2}).expand({2, 2, 2}).to_doubles(), (std::vector<double>{0, 1, 0, 1, 0, 1, 0, 1}));
  EXPECT_THROW(t.view({6}), Error);
}

TEST_F(Tensors, EmptyTensorsAreLegal) {
  Tensor t = Tensor::empty(*device, {0, 5});
  EXPECT_TRUE(t.defined());
  EXPECT_TRUE(t.contiguous());
  EXPECT_EQ(t.view({5, 0}).count(), 0);
}

TEST_F(Tensors, FreedBlocksAreUsedAgain) {
  void* first;
  {
    Tensor t = counted({100});
    first = t.raw();
  }
  EXPECT_EQ(counted({100}).raw(), first);
  EXPECT_EQ(device->memory().now, 0u);
  EXPECT_GE(device->memory().peak, 400u);
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(from_bf16(to_bf16(1.0f)), 1.0f);
  EXPECT_EQ(to_bf16(1.00390625f), 0x3f80);  // tie, even below
  EXPECT_EQ(to_bf16(1.01171875f), 0x3f82);  // tie, even above
  EXPECT_TRUE(std::isnan(from_bf16(to_bf16(NAN))));
  EXPECT_EQ(from_bf16(to_bf16(3.4e38f)), INFINITY);
}

}  // namespace
}  // namespace lact
