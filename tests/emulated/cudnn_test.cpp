// What goes through cuDNN and what does not, told by the kernels that this program starts itself.
#include <cuda_runtime.h>

#include "base/check.hpp"
#include "kernels/attention.hpp"
#include "kernels/cudnn.hpp"
#include "kernels/gated_products.hpp"
#include "kernels/pointwise.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

Tensor low(const Shape& s) { return Tensor::zeros(tested(), s, DType::bf16); }
std::uint64_t kernels_of(const std::function<void()>& ask) {
  const std::uint64_t before = emulated::counts().kernels;
  ask();
  return emulated::counts().kernels - before;
}

struct Heads {
  std::int64_t queries = 96, keys = 96, d = 64;
};
std::uint64_t attention_kernels(const Heads& h, kernels::Mask mask = {}) {
  const Tensor q = low({2, 3, h.queries, h.d}), k = low({2, 3, h.keys, h.d}), v = like(k), o = like(q),
               lse = Tensor::zeros(tested(), {2, 3, h.queries}), dq = like(q), dk = like(k), dv = like(k);
  return kernels_of([&] { kernels::attention(o, lse, q, k, v, 0.1, mask); }) + kernels_of([&] {
           kernels::attention_grad({dq, dk, dv, o, q, k, v, o, lse, 0.1, mask});
         });
}

TEST(Cudnn, TakesAttentionOfBf16) {
  for (std::int64_t d : {8, 64, 128, 256}) EXPECT_EQ(attention_kernels({96, 33, d}), 0u) << d;
  EXPECT_EQ(attention_kernels({1, 33, 64}), 0u);
  EXPECT_EQ(attention_kernels({33, 1, 64}), 0u);
  EXPECT_EQ(attention_kernels({96, 96, 64}, {true, 0}), 0u);
  EXPECT_EQ(attention_kernels({96, 33, 64}, {true, 0}), 0u);
  EXPECT_EQ(attention_kernels({33, 96, 64}, {true, 20}), 0u);
  EXPECT_EQ(attention_kernels({96, 33, 64}, {true, 100}), 0u) << "a window that hides nothing";
}

TEST(Cudnn, IsNotAskedWhereAQueryMaySeeNothing) {
  EXPECT_GT(attention_kernels({96, 33, 64}, {true, 20}), 0u);
  EXPECT_GT(attention_kernels({5, 0, 64}), 0u);
  EXPECT_GT(attention_kernels({1, 1, 64}), 0u) << "one query and one key are not taken";
}

TEST(Cudnn, IsNotAskedForWidthsAndStridesThatItCannotLoad) {
  EXPECT_GT(attention_kernels({96, 96, 12}), 0u);
  const Tensor wide = low({2, 3, 96, 68}), o = low({2, 3, 96, 64}), lse = Tensor::zeros(tested(), {2, 3, 96});
  auto attend = [&](const Tensor& q) { return kernels_of([&] { kernels::attention(o, lse, q, q, q, 0.1); }); };
  EXPECT_GT(attend(wide.cut(3, {0, 64})), 0u) << "rows of 68 numbers";
  EXPECT_GT(attend(low({2, 3, 96, 72}).cut(3, {4, 68})), 0u) << "the first number is not on 16 bytes";
  EXPECT_EQ(attend(low({2, 3, 96, 72}).cut(3, {8, 72})), 0u);
  EXPECT_GT(attend(low({1, 3, 96, 64}).expand({2, 3, 96, 64})), 0u) << "one item repeated";
}

TEST(Cudnn, TakesLongGradientsItemByItem) {
  // Two bytes for each pair of 64 queries and 530,000 keys of 4 heads: half of what may be held at once, and a little.
  const std::int64_t keys = 530'000;
  const Tensor q = random_tensor({2, 4, 1, 8}, "q", DType::bf16),
               dout = random_tensor({2, 4, 1, 8}, "dout", DType::bf16), k = low({2, 4, keys, 8}),
               v = low({2, 4, keys, 8}), o = like(q), dq = like(q), dk = like(k), dv = like(k),
               lse = Tensor::zeros(tested(), {2, 4, 1});
  kernels::fill(k, 0.5);
  kernels::fill(v, 0.25);
  kernels::attention(o, lse, q, k, v, 0.1);
  EXPECT_EQ(kernels_of([&] { kernels::attention_grad({dq, dk, dv, dout, q, k, v, o, lse, 0.1}); }), 0u);
  for (std::int64_t i : {0, 1}) {
    auto item = [&](const Tensor& t) { return t.cut(0, {i, i + 1}); };
    const Tensor dq1 = like(item(q)), dk1 = like(item(k)), dv1 = like(item(v));
    kernels::attention_grad({dq1, dk1, dv1, item(dout), item(q), item(k), item(v), item(o), item(lse), 0.1});
    EXPECT_TRUE(same_bits(dq1, item(dq)));
    EXPECT_TRUE(same_bits(dk1.cut(2, {0, 9}), item(dk).cut(2, {0, 9})));
    EXPECT_TRUE(same_bits(dv1.cut(2, {keys - 9, keys}), item(dv).cut(2, {keys - 9, keys})));
  }
}

TEST(Cudnn, TakesJoinedProducts) {
  const Tensor x = low({2, 33, 24}), w = low({2, 24, 40}), w1 = low({2, 40, 24}), g = low({2, 33, 40}),
               rate = Tensor::zeros(tested(), {2, 33}), y = like(g), a = like(g), b = like(g), c = like(g);
  auto all = [&](const Tensor& from) {
    return kernels_of([&] {
      kernels::swiglu_products(y, a, b, from, w, w);
      kernels::swiglu_grad_product(a, b, from, w1, g, g);
      kernels::rated_gates_product({y, a, b, c, from, w1, g, g, {rate, rate, rate}});
      kernels::gelu_product(y.select(0, 0), a.select(0, 0), from.select(0, 0), w1.select(0, 0));
      kernels::gelu_grad_product(y.select(0, 0), from.select(0, 0), w.select(0, 0), g.select(0, 0));
    });
  };
  EXPECT_EQ(all(x), 0u);
  EXPECT_EQ(all(low({33, 2, 24}).permute({1, 0, 2})), 0u) << "heads beside each other";
  EXPECT_EQ(all(low({2, 33, 32}).cut(2, {8, 32})), 0u);
  EXPECT_EQ(all(low({2, 33, 26}).cut(2, {0, 24})), 5u) << "rows of 26 numbers: a kernel follows each product";
}

TEST(Cudnn, CanBeSwitchedOff) {
  EXPECT_EQ(kernels::cudnn_library(), "cuDNN 9.19.0");
  kernels::use_cudnn(kernels::CudnnUse::attention_only);
  EXPECT_EQ(attention_kernels({}), 0u);
  const Tensor x = low({33, 24}), w = low({40, 24}), y = low({33, 40});
  EXPECT_GT(kernels_of([&] { kernels::gelu_product(y, like(y), x, w); }), 0u);
  kernels::use_cudnn(kernels::CudnnUse::none);
  EXPECT_GT(attention_kernels({}), 0u);
  EXPECT_NE(kernels::cudnn_library(), "cuDNN 9.19.0");
  kernels::use_cudnn(kernels::CudnnUse::all);
  EXPECT_EQ(attention_kernels({}), 0u);
  EXPECT_THROW(kernels::cudnn_use_named("some"), Error);
}

}  // namespace
}  // namespace lact
