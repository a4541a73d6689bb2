// Recomputation in the backward pass: the same bits as without, and less on the tape.
#include "autograd/checkpoint.hpp"
#include "layers/attention/self_attention.hpp"
#include "layers/fast_weights/ttt.hpp"
#include "layers/mlp.hpp"
#include "support/gradcheck.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

class Recomputed : public testing::Test {
 protected:
  Recomputed()
      : mlp_(Scope(store_) / "mlp", 12, 2, true, {}),
        ttt_(Scope(store_) / "ttt", 12, {.head_dim = 6, .inter_multi = 1.5, .base_lr = 0.1, .muon_update_steps = 3},
             {}) {
    store_.lay_out(tested(), mesh_, 5);
  }
  std::vector<Var> body(Tape* tape, std::span<const Var> in) {
    Ctx c{tape, tested(), mesh_};
    const Var x = add(in[0], mlp_(c, in[0]));
    const Ttt::Result r = ttt_(c, x, plan_views(4, 3));
    return {add(r.y, in[1]), r.state.w0, scale(in[1], 2)};
  }
  struct Outcome {
    Tensors values, gradients;  // of the results; of the inputs, then of every parameter
    std::size_t nodes = 0;
  };
  Outcome run(bool recompute, bool tracked, bool use_second = true) {
    store_.zero_gradients();
    Tape tape;
    Outcome o;
    std::vector<Var> in;
    std::vector<Var> found(2);
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor x = random_tensor({2, 7, 12}, i ? "b" : "a", DType::f32);
      in.push_back(tracked ? tape.leaf(x, [&found, i](const Var& g) { found[i] = g; }) : Var(x));
    }
    auto run_body = [this](Tape* t, std::span<const Var> x) { return body(t, x); };
    std::vector<Var> y = recompute ? checkpoint(&tape, in, run_body) : body(&tape, in);
    o.nodes = tape.size();
    if (!use_second) y.resize(1);
    o.values = values_of(y);
    const Tensors u = random_like(o.values, "u");
    tape.backward(y, constants(u));
    for (const Var& g : found)
      if (g) o.gradients.push_back(g.value());
    for (const Parameter& p : store_.parameters()) {
      Tensor copy = like(store_.gradient(p));
      copy_bytes(copy, store_.gradient(p));
      o.gradients.push_back(copy);
    }
    return o;
  }
  void expect_same(const Outcome& a, const Outcome& b) {
    ASSERT_EQ(a.values.size(), b.values.size());
    ASSERT_EQ(a.gradients.size(), b.gradients.size());
    for (std::size_t i = 0; i < a.values.size(); ++i) EXPECT_TRUE(same_bits(a.values[i], b.values[i])) << "value " << i;
    for (std::size_t i = 0; i < a.gradients.size(); ++i) {
      EXPECT_TRUE(same_bits(a.gradients[i], b.gradients[i])) << "gradient " << i;
      EXPECT_GT(largest(a.gradients[i].to_doubles()), 0) << "gradient " << i;
    }
  }

  ParameterStore store_;
  Mesh mesh_ = Mesh::alone();
  Mlp mlp_;
  Ttt ttt_;
};

TEST_F(Recomputed, SameBitsAndLessOnTheTape) {
  const Outcome plain = run(false, true), again = run(true, true);
  expect_same(plain, again);
  EXPECT_GT(plain.nodes, 50u);
  EXPECT_EQ(again.nodes, 3u) << "two leaves and the checkpoint";
}

TEST_F(Recomputed, ParametersLearnWithoutATrackedInput) { expect_same(run(false, false), run(true, false)); }

TEST_F(Recomputed, ResultsThatNobodyUses) { expect_same(run(false, true, false), run(true, true, false)); }

TEST_F(Recomputed, ParametersLearnWithoutAnyInput) {
  auto gradient = [&](bool recompute) {
    store_.zero_gradients();
    Tape tape;
    auto f = [this](Tape* t, std::span<const Var>) {
      Ctx c{t, tested(), mesh_};
      return std::vector<Var>{square(mlp_(c, random_tensor({3, 12}, "constant", DType::f32)))};
    };
    const Var y = recompute ? checkpoint(&tape, {}, f)[0] : f(&tape, {})[0];
    tape.backward(y, ones_like(y));
    return store_.gradient(store_.parameters()[0]).to_doubles();
  };
  const auto want = gradient(false);
  EXPECT_GT(largest(want), 0);
  EXPECT_EQ(gradient(true), want);
}

TEST_F(Recomputed, WithoutATapeTheBodySimplyRuns) {
  int runs = 0;
  const auto y = checkpoint(nullptr, {Var(random_tensor({2}, "x"))}, [&](Tape* t, std::span<const Var> in) {
    EXPECT_EQ(t, nullptr);
    ++runs;
    return std::vector<Var>{square(in[0])};
  });
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(y[0].tape(), nullptr);
}

TEST_F(Recomputed, InsideACheckpoint) {
  const Tensor x0 = random_tensor({3}, "x");
  auto inner = [](Tape*, std::span<const Var> in) { return std::vector<Var>{mul(exp(in[0]), in[0])}; };
  auto outer = [&](Tape* t, std::span<const Var> in) {
    return std::vector<Var>{square(checkpoint(t, {in[0]}, inner)[0])};
  };
  Tape tape, plain;
  const Var x = tape.leaf(x0), z = plain.leaf(x0);
  const Var y = checkpoint(&tape, {x}, outer)[0], w = square(mul(exp(z), z));
  EXPECT_TRUE(
      same_bits(tape.grad(y, {&x, 1}, ones_like(y))[0].value(), plain.grad(w, {&z, 1}, ones_like(w))[0].value()));
}

TEST_F(Recomputed, AnInputThatIsAResult) {
  Tape tape;
  const Var x = tape.leaf(random_tensor({3}, "x"));
  const auto y = checkpoint(&tape, {x, x}, [](Tape*, std::span<const Var> in) {
    return std::vector<Var>{in[0], mul(in[0], in[1])};
  });
  const std::vector<Var> dys{ones_like(x), ones_like(x)};
  const auto g = tape.grad(y, {&x, 1}, dys)[0].value().to_doubles();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(g[i], 1 + 2 * x.value().to_doubles()[i]);
}

TEST_F(Recomputed, OnlyOnceDifferentiable) {
  Tape tape;
  const Var x = tape.leaf(random_tensor({3}, "x"));
  const Var y = checkpoint(&tape, {x}, [](Tape*, std::span<const Var> in) { return std::vector<Var>{exp(in[0])}; })[0];
  EXPECT_NE(sentence_of([&] { tape.grad(y, {&x, 1}, ones_like(y), true); }).find("once"), std::string::npos);
}

}  // namespace
}  // namespace lact
