// The index arithmetic of the GPU's kernels, run here by the host.
#include "kernels/cuda/places.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

TEST(Places, FindEveryNumberOfAView) {
  const auto cpu = Device::open(Backend::cpu);
  std::vector<double> v(2 * 3 * 5 * 7);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = double(i);
  const Tensor x = Tensor::of(*cpu, {2, 3, 5, 7}, std::span<const double>(v), DType::f64);
  const Tensor views[] = {x,
                          x.permute({3, 1, 0, 2}),
                          x.cut(3, {2, 6}).cut(1, {1, 3}),
                          x.select(2, 1),
                          x.cut(1, {0, 1}).expand({2, 4, 5, 7}),
                          x.select(0, 1).select(0, 1).select(0, 1).select(0, 1)};
  for (const Tensor& t : views)
    for (bool small : {true, false}) {
      kernels::Places<2> p(kernels::joint_layout<2>({&t, &t}, t.dims()));
      EXPECT_TRUE(p.small);
      p.small = small;
      const auto want = t.to_doubles();
      for (std::int64_t i = 0; i < t.count(); ++i) {
        const auto o = p.of(i);
        ASSERT_EQ(t.data<double>()[o.at[0]], want[std::size_t(i)]);
        ASSERT_EQ(o.at[0], o.at[1]);
      }
    }
}

TEST(Places, WideAccessesAreTakenOnlyWhereTheyAreAligned) {
  const auto cpu = Device::open(Backend::cpu);
  const Tensor x = Tensor::zeros(*cpu, {4, 16}), odd = Tensor::zeros(*cpu, {4, 18});
  auto fits = [](const Tensor& t) { return kernels::fits_packs<1>(kernels::joint_layout<1>({&t}, t.dims()), {&t}, 4); };
  EXPECT_TRUE(fits(x));
  EXPECT_TRUE(fits(x.cut(1, {4, 12})));
  EXPECT_FALSE(fits(x.cut(1, {1, 9}))) << "begins between two";
  EXPECT_FALSE(fits(x.cut(1, {0, 6}))) << "rows end between two";
  EXPECT_FALSE(fits(odd.cut(1, {0, 16}))) << "the second row begins between two";
  EXPECT_TRUE(fits(x.transpose())) << "no two numbers lie together";
}

}  // namespace
}  // namespace lact
