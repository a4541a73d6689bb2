// What every backend must have, and the index arithmetic of the GPU's kernels, run here by the host.
#include <cstring>

#include "kernels/cuda/places.hpp"
#include "kernels/rays.hpp"
#include "kernels/table.hpp"
#include "kernels/visible.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

constexpr std::size_t entries = sizeof(kernels::Table) / sizeof(void*);
std::array<void*, entries> entries_of(const kernels::Table& t) {
  std::array<void*, entries> all;
  std::memcpy(all.data(), &t, sizeof(t));
  return all;
}

TEST(Table, HoldsEveryKernelOfEveryBackend) {
  for (void* f : entries_of(kernels::cpu_table())) EXPECT_NE(f, nullptr);
  const auto cuda = entries_of(kernels::cuda_table());
  const bool built = kernels::cuda_table().unary != nullptr;  // all of them, or none where CUDA was left out
  for (std::size_t i = 0; i < entries; ++i) EXPECT_EQ(cuda[i] != nullptr, built) << "entry " << i;
  EXPECT_TRUE(built || Device::present(Backend::cuda) == 0);
}

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

TEST(Visible, RangesAreThoseOfTheDefinition) {
  for (const kernels::Mask mask : {kernels::Mask{}, kernels::Mask{true, 0}, kernels::Mask{true, 3}})
    for (std::int64_t keys : {0, 1, 4, 9})
      for (std::int64_t i = 0; i < 12; ++i) {
        const Range r = kernels::visible(mask, i, keys);
        for (std::int64_t j = 0; j < keys; ++j) {
          const bool sees = !mask.causal || (j <= i && (mask.window == 0 || j > i - mask.window));
          EXPECT_EQ(sees, j >= r.begin && j < r.end) << i << " " << j;
        }
      }
}

TEST(Tokens, EveryPixelHasOnePlace) {
  const std::int64_t h = 6, w = 9, p = 3;
  std::vector<int> seen(std::size_t(h * w));
  for (std::int64_t row = 0; row < h; ++row)
    for (std::int64_t column = 0; column < w; ++column) {
      const std::int64_t at = kernels::place_of_pixel(row, column, w, p);
      ASSERT_EQ(at % kernels::token_channels, 0);
      ++seen[std::size_t(at / kernels::token_channels)];
    }
  EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
}

}  // namespace
}  // namespace lact
