// Mamba-2 in one direction and in two: gradients, who sees whom, and any split of the sequence.
#include "layers/recurrent/mamba2.hpp"

#include "base/check.hpp"
#include "layers/recurrent/splits.hpp"

namespace lact {
namespace {

const Mamba2Config small{.mamba_heads = 2, .mamba_head_dim = 5, .dt_bias = -1};

struct OneWay : Bench {
  Mamba2 layer{Scope(store), 6, small, {}};
  OneWay() { lay_out(); }
  Layer whole() {
    return [this](Ctx& c, const Var& x) { return layer(c, x); };
  }
};
struct TwoWays : Bench {
  BidirectionalMamba2 layer{Scope(store), 6, small, {}};
  TwoWays() { lay_out(); }
  Layer of(std::int64_t updating) {
    return [this, updating](Ctx& c, const Var& x) { return layer(c, x, TokenLayout::whole(x.dim(1)), updating).y; };
  }
};

TEST(Mamba2, NamesShapesAndTheStepAtTheStart) {
  ParameterStore store;
  const BidirectionalMamba2 layer(Scope(store), 6, {.mamba_heads = 2, .mamba_head_dim = 5}, {});
  EXPECT_EQ(store.find("fwd.to_xbc.weight")->shape, (Shape{30, 6}));
  EXPECT_EQ(store.find("bwd.to_dt.weight")->shape, (Shape{2, 6}));
  EXPECT_EQ(store.find("fwd.dt_bias")->shape, (Shape{2}));
  EXPECT_EQ(store.find("bwd.c_proj.weight")->shape, (Shape{6, 10}));
  EXPECT_EQ(store.parameters().size(), 8u);
  Mesh mesh = Mesh::alone();
  store.lay_out(tested(), mesh, 1, DType::f64);
  for (double v : store.value(*store.find("fwd.dt_bias")).to_doubles()) EXPECT_EQ(v, -4.6);
}

TEST(Mamba2, IsItsRecurrence) {
  OneWay b;
  const Tensor x = random_tensor({1, 9, 6}, "x");
  Ctx c = b.on(nullptr);
  auto value = [&](const char* name) { return Var(b.store.value(*b.store.find(name))); };
  const Var xbc = linear(x, value("to_xbc.weight"));
  const Var delta = softplus(add(linear(x, value("to_dt.weight")), value("dt_bias")));
  auto head = [&](std::int64_t p, std::int64_t t, std::int64_t h) {  // of X, B or C: [1, 1, 5]
    const std::int64_t first = p * 10 + h * 5;
    return cut(cut(xbc, 1, {t, t + 1}), 2, {first, first + 5});
  };
  std::vector<Var> rows(9), states(2);
  for (std::int64_t h = 0; h < 2; ++h) {
    Var s = Tensor::zeros(tested(), {1, 5, 5}, DType::f64);
    for (std::int64_t t = 0; t < 9; ++t) {
      const Var step = cut(cut(delta, 1, {t, t + 1}), 2, {h, h + 1});
      s = add(mul(s, exp(scale(step, -1))), mul(matmul(head(1, t, h), head(0, t, h), Orient::tn), step));
      const Var y = matmul(head(2, t, h), s);
      rows[std::size_t(t)] = rows[std::size_t(t)] ? join({rows[std::size_t(t)], y}, 2) : y;
    }
    states[std::size_t(h)] = s;
  }
  Mamba2State state;
  const Var y = b.layer(c, x, &state);
  EXPECT_LE(difference(y.value(), linear(join(rows, 1), value("c_proj.weight")).value()), 1e-13);
  EXPECT_LE(difference(state.memory.value(), view(join(states, 0), {1, 2, 5, 5}).value()), 1e-13);
}

TEST(Mamba2, GradientsOfInputAndParameters) {
  OneWay one;
  expect_layer_gradients(one, one.whole(), random_tensor({2, 7, 6}, "x"));
  TwoWays two;
  expect_layer_gradients(two, two.of(5), random_tensor({2, 7, 6}, "x"));
}

TEST(Mamba2, OneWaySeesNoLaterToken) {
  OneWay b;
  const Tensor x = random_tensor({1, 70, 6}, "x"), other = random_tensor({1, 70, 6}, "other");
  const Tensor before = b.value(b.whole(), x);
  for (std::int64_t kept : {1, 63, 64, 65, 69}) {
    const Tensor changed = join({Var(x.cut(1, {0, kept})), Var(other.cut(1, {kept, 70}))}, 1).value();
    EXPECT_LE(difference(b.value(b.whole(), changed).cut(1, {0, kept}), before.cut(1, {0, kept})), 1e-14) << kept;
  }
  expect_items_apart(b, b.whole(), 6);
}

TEST(Mamba2, AnySplitOfTheSequenceIsTheSame) {
  OneWay b;
  expect_any_split_is_the_same<Mamba2State>(
      b, random_tensor({2, 21, 6}, "x"), [&](Ctx& c, const Var& x, Mamba2State& s) { return b.layer(c, x, &s); },
      [](const Mamba2State& s) { return std::vector<Var>{s.memory}; });
}

TEST(Mamba2, TokensThatOnlyReadMoveNothing) {
  TwoWays b;
  const Tensor x = random_tensor({1, 9, 6}, "x"), other = random_tensor({1, 9, 6}, "other");
  const Tensor changed = join({Var(x.cut(1, {0, 8})), Var(other.cut(1, {8, 9}))}, 1).value();
  EXPECT_LE(difference(b.value(b.of(6), changed).cut(1, {0, 8}), b.value(b.of(6), x).cut(1, {0, 8})), 1e-14);
  // and each reads alone: the eighth at the seventh's place says the same
  const Tensor moved = join({Var(x.cut(1, {0, 6})), Var(x.cut(1, {8, 9}))}, 1).value();
  EXPECT_LE(difference(b.value(b.of(6), moved).cut(1, {6, 7}), b.value(b.of(6), x).cut(1, {8, 9})), 1e-14);
}

TEST(Mamba2, TheSecondDirectionIsTheFirstOnTurnedTokens) {
  TwoWays b;
  for (const Parameter& p : b.store.parameters())  // both directions with one set of weights
    if (p.name.starts_with("bwd."))
      copy_bytes(b.store.value(p), b.store.value(*b.store.find("fwd." + p.name.substr(4))));
  const Tensor x = random_tensor({2, 7, 6}, "x");
  const Tensor there = b.value(b.of(7), x), back = b.value(b.of(7), reversed(x).value());
  EXPECT_LE(difference(reversed(back).value(), there), 1e-13);
}

TEST(Mamba2, OfNothing) {
  TwoWays b;
  for (std::int64_t updating : {0, 3})
    EXPECT_EQ(b.value(b.of(updating), Tensor::zeros(tested(), {2, 3, 6}, DType::f64)).shape(), (Shape{2, 3, 6}));
  EXPECT_EQ(b.value(b.of(0), Tensor::zeros(tested(), {2, 0, 6}, DType::f64)).shape(), (Shape{2, 0, 6}));
  EXPECT_EQ(b.value(b.of(3), Tensor::zeros(tested(), {0, 3, 6}, DType::f64)).shape(), (Shape{0, 3, 6}));
}

TEST(Mamba2, ImpossibleNumbersAreOneSentence) {
  ParameterStore store;
  EXPECT_THROW(Mamba2(Scope(store) / "a", 6, {.mamba_heads = 0}, {}), Error);
  TwoWays b;
  EXPECT_THROW(b.value(b.of(4), random_tensor({1, 3, 6}, "x")), Error);
}

}  // namespace
}  // namespace lact
