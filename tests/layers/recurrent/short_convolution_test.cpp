// The short convolution: gradients, no look ahead, and the same numbers however the sequence is cut.
#include "layers/recurrent/short_convolution.hpp"

#include "base/check.hpp"
#include "support/layer_bench.hpp"

namespace lact {
namespace {

struct Convolution : Bench {
  ShortConvolution layer;
  explicit Convolution(std::int64_t channels = 5, std::int64_t taps = 4, bool bias = true)
      : layer(Scope(store) / "conv", channels, taps, bias) {
    lay_out();
  }
  Layer whole() {
    return [this](Ctx& c, const Var& x) { return layer(c, x); };
  }
};

TEST(ShortConvolution, NamesAndShapesAreTheOriginals) {
  Convolution b;
  ASSERT_EQ(b.store.parameters().size(), 2u);
  EXPECT_EQ(b.store.find("conv.weight")->shape, (Shape{5, 1, 4}));
  EXPECT_EQ(b.store.find("conv.bias")->shape, (Shape{5}));
  EXPECT_EQ(Convolution(5, 4, false).store.parameters().size(), 1u);
}

TEST(ShortConvolution, GradientsOfInputAndParameters) {
  Convolution b;
  expect_layer_gradients(b, b.whole(), random_tensor({2, 7, 5}, "x"));
}

TEST(ShortConvolution, SeesNoLaterTokenAndNoOtherSample) {
  Convolution b;
  expect_no_look_ahead(b, b.whole(), 5);
  expect_items_apart(b, b.whole(), 5);
}

TEST(ShortConvolution, AnyCutOfTheSequenceGivesTheSame) {
  Convolution b;
  const Tensor x = random_tensor({2, 11, 5}, "x"), want = b.value(b.whole(), x);
  Ctx c = b.on(nullptr);
  for (const std::vector<std::int64_t>& borders :
       {std::vector<std::int64_t>{0, 11}, {0, 3, 11}, {0, 0, 5, 6, 11}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}) {
    Var inputs;
    std::vector<Var> parts;
    for (std::size_t i = 0; i + 1 < borders.size(); ++i)
      parts.push_back(b.layer(c, x.cut(1, {borders[i], borders[i + 1]}), &inputs));
    EXPECT_LE(difference(join(parts, 1).value(), want), 1e-14);
    EXPECT_TRUE(same_bits(inputs.value(), x.cut(1, {7, 11}))) << "the last inputs";
  }
}

TEST(ShortConvolution, BeforeTheStartAreZeros) {
  Convolution b;
  Ctx c = b.on(nullptr);
  Var inputs;
  const Tensor x = random_tensor({1, 2, 5}, "x");
  b.layer(c, x, &inputs);
  EXPECT_EQ(largest(inputs.value().cut(1, {0, 2}).to_doubles()), 0);
  EXPECT_TRUE(same_bits(inputs.value().cut(1, {2, 4}), x));
}

TEST(ShortConvolution, OfNoTokensAndNoSamples) {
  Convolution b;
  EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {2, 0, 5}, DType::f64)).shape(), (Shape{2, 0, 5}));
  EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {0, 3, 5}, DType::f64)).shape(), (Shape{0, 3, 5}));
}

TEST(ShortConvolution, InputsOfAnotherShapeAreRefused) {
  Convolution b;
  Ctx c = b.on(nullptr);
  Var inputs = Tensor::zeros(tested(), {2, 3, 5}, DType::f64);
  EXPECT_THROW(b.layer(c, random_tensor({2, 1, 5}, "x"), &inputs), Error);
}

}  // namespace
}  // namespace lact
