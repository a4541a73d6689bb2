// Mamba: names and initial values, gradients, no look ahead, and any split of the sequence.
#include "layers/recurrent/mamba.hpp"

#include "base/check.hpp"
#include "layers/recurrent/splits.hpp"

namespace lact {
namespace {

struct Block : Bench {
  Mamba layer;
  explicit Block(const MambaConfig& cfg = {.d_state = 3, .d_conv = 4, .expand = 2, .dt_rank = 2})
      : layer(Scope(store) / "mixer", 6, cfg) {}
  Layer whole() {
    return [this](Ctx& c, const Var& x) { return layer(c, x); };
  }
  Tensor initial(const std::string& name) { return store.value(*store.find("mixer." + name)); }
};
struct MovedBlock : Block {
  MovedBlock() { lay_out(); }
};

TEST(Mamba, NamesShapesAndInitialValuesAreTheOriginals) {
  Block b;
  b.store.lay_out(tested(), b.mesh, 3, DType::f64);
  auto shape = [&](const std::string& name) { return b.store.find("mixer." + name)->shape; };
  EXPECT_EQ(shape("in_proj.weight"), (Shape{24, 6}));
  EXPECT_EQ(shape("conv1d.weight"), (Shape{12, 1, 4}));
  EXPECT_EQ(shape("conv1d.bias"), (Shape{12}));
  EXPECT_EQ(shape("x_proj.weight"), (Shape{8, 12}));
  EXPECT_EQ(shape("dt_proj.weight"), (Shape{12, 2}));
  EXPECT_EQ(shape("dt_proj.bias"), (Shape{12}));
  EXPECT_EQ(shape("out_proj.weight"), (Shape{6, 12}));
  EXPECT_EQ(b.store.parameters().size(), 9u);
  const auto rates = b.initial("A_log").to_doubles();
  for (std::size_t i = 0; i < rates.size(); ++i) EXPECT_DOUBLE_EQ(rates[i], std::log(double(i % 3 + 1)));
  for (double d : b.initial("D").to_doubles()) EXPECT_EQ(d, 1);
  for (double bias : softplus(b.initial("dt_proj.bias")).value().to_doubles()) {
    EXPECT_GE(bias, 0.001 * (1 - 1e-9));
    EXPECT_LE(bias, 0.1 * (1 + 1e-9));
  }
}

TEST(Mamba, ARankOfZeroIsASixteenthOfTheWidth) {
  ParameterStore store;
  const Mamba layer(Scope(store), 33, {});
  EXPECT_EQ(store.find("dt_proj.weight")->shape, (Shape{66, 3}));
}

TEST(Mamba, BiasesAreSwitches) {
  const Block b({.d_state = 3, .conv_bias = false, .bias = true});
  EXPECT_EQ(b.store.find("mixer.conv1d.bias"), nullptr);
  EXPECT_EQ(b.store.find("mixer.in_proj.bias")->shape, (Shape{24}));
  EXPECT_EQ(b.store.find("mixer.out_proj.bias")->shape, (Shape{6}));
}

TEST(Mamba, GradientsOfInputAndParameters) {
  MovedBlock b;
  expect_layer_gradients(b, b.whole(), random_tensor({2, 9, 6}, "x"));
}

TEST(Mamba, SeesNoLaterTokenAndNoOtherSample) {
  MovedBlock b;
  expect_no_look_ahead(b, b.whole(), 6);
  expect_items_apart(b, b.whole(), 6);
}

TEST(Mamba, AnySplitOfTheSequenceIsTheSame) {
  MovedBlock b;
  expect_any_split_is_the_same<MambaState>(
      b, random_tensor({2, 37, 6}, "x"), [&](Ctx& c, const Var& x, MambaState& s) { return b.layer(c, x, &s); },
      [](const MambaState& s) {
        return std::vector<Var>{s.memory, s.inputs};
      });
}

TEST(Mamba, ScanWithItsSwitches) {
  const Tensor u = random_tensor({2, 5, 3}, "u"), delta = random_tensor({2, 5, 3}, "delta"),
               a = scale(exp(random_tensor({3, 4}, "a")), -1).value(), b = random_tensor({2, 5, 4}, "b"),
               c = random_tensor({2, 5, 4}, "c"), d = random_tensor({3}, "d"), z = random_tensor({2, 5, 3}, "z"),
               bias = random_tensor({3}, "bias");
  const Tensor step = softplus(add(delta, bias)).value();
  const SelectiveTokens plain{.u = u, .delta = step, .a = a, .b = b, .c = c, .softplus = false};
  const Tensor y = selective_scan(plain, {}).y.value();
  EXPECT_TRUE(same_bits(y, selective_scan(u, step, a, b, c, {})[0].value()));
  const SelectiveTokens all{.u = u, .delta = delta, .a = a, .b = b, .c = c, .d = d, .z = z, .delta_bias = bias};
  EXPECT_LE(difference(selective_scan(all, {}).y.value(), mul(add(y, mul(u, d)), silu(z)).value()), 1e-14);
}

TEST(Mamba, OfNothing) {
  MovedBlock b;
  EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {2, 0, 6}, DType::f64)).shape(), (Shape{2, 0, 6}));
  EXPECT_EQ(b.value(b.whole(), Tensor::zeros(tested(), {0, 3, 6}, DType::f64)).shape(), (Shape{0, 3, 6}));
}

TEST(Mamba, ImpossibleNumbersAreOneSentence) {
  ParameterStore store;
  EXPECT_THROW(Mamba(Scope(store) / "a", 6, {.d_state = 0}), Error);
  EXPECT_THROW(Mamba(Scope(store) / "b", 6, {.d_conv = 0}), Error);
  EXPECT_THROW(Mamba(Scope(store) / "c", 6, {.dt_min = 0.2, .dt_max = 0.1}), Error);
}

}  // namespace
}  // namespace lact
