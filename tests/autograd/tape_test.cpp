// The tape itself: order, sinks, cotangents, collectives, second derivatives through shared inputs.
#include "autograd/tape.hpp"
#include "autograd/collectives.hpp"
#include "support/gradcheck.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

Tensor numbers(std::vector<double> v) {
  return Tensor::of(tested(), {std::int64_t(v.size())}, std::span<const double>(v), DType::f64);
}
Var grad_of(Tape& tape, const Var& y, const Var& x, bool differentiable = false) {
  return tape.grad(y, {&x, 1}, ones_like(y), differentiable)[0];
}

TEST(Tape, ValuesUsedTwiceAddTheirGradients) {
  Tape tape;
  const Var x = tape.leaf(numbers({2, -3, 5}));
  const Var y = add(mul(x, x), scale(x, 10));
  EXPECT_EQ(grad_of(tape, y, x).value().to_doubles(), (std::vector<double>{14, 4, 20}));
  // many uses: the third and later ones are added in place, which nobody else may see
  Var many = x;
  for (int i = 0; i < 5; ++i) many = add(many, x);
  const Var first = grad_of(tape, many, x);
  EXPECT_EQ(first.value().to_doubles(), (std::vector<double>{6, 6, 6}));
  EXPECT_EQ(grad_of(tape, many, x).value().to_doubles(), (std::vector<double>{6, 6, 6}));
  EXPECT_EQ(first.value().to_doubles(), (std::vector<double>{6, 6, 6}));
}

TEST(Tape, TheCotangentGivenIsNeverWrittenTo) {
  Tape tape;
  const Var x = tape.leaf(numbers({2, 3})), dy = numbers({1, 1});
  const Var y = shift(x, 1);  // its pullback hands the cotangent on as it is
  const Var z = add(add(shift(y, 1), shift(y, 2)), add(shift(y, 3), y));
  EXPECT_EQ(tape.grad(z, {&x, 1}, dy)[0].value().to_doubles(), (std::vector<double>{4, 4}));
  EXPECT_EQ(dy.value().to_doubles(), (std::vector<double>{1, 1}));
}

TEST(Tape, OneValueInEveryPlace) {
  const Tensor x = random_tensor({1, 2, 5, 4}, "x");
  const std::vector<std::pair<std::string, Function>> functions{
      {"mul", [](std::span<const Var> in) { return std::vector<Var>{mul(in[0], in[0])}; }},
      {"matmul", [](std::span<const Var> in) { return std::vector<Var>{matmul(in[0], in[0], Orient::nt)}; }},
      {"swiglu", [](std::span<const Var> in) { return std::vector<Var>{swiglu(in[0], in[0])}; }},
      {"swiglu_grad", [](std::span<const Var> in) { return swiglu_grad(in[0], in[0], in[0]); }},
      {"matmul_add",
       [](std::span<const Var> in) {
         const Var a = matmul(in[0], in[0], Orient::tn);
         return std::vector<Var>{matmul_add(a, -2, a, a, 0.5)};
       }},
      {"attention", [](std::span<const Var> in) {
         return std::vector<Var>{attention(in[0], in[0], in[0], 0.5, {true, 3})};
       }}};
  for (const auto& [name, f] : functions) {
    const Tensors u = random_cotangents(f, {x}, "u");
    expect_gradient(f, {x}, u, name);
    expect_second_gradient(f, {x}, u, name);
  }
}

// One input of a fused op is made from another: its derivative is a partial one, and the way around is counted by the
// tape, once.
TEST(Tape, AnInputMadeFromAnother) {
  const Tensor x = random_tensor({2, 5, 3}, "x");
  const std::vector<std::pair<std::string, Function>> functions{
      {"keep_column_norm",
       [](std::span<const Var> in) { return std::vector<Var>{keep_column_norm(in[0], column_norm(in[0]), 1e-2)}; }},
      {"swiglu_grad", [](std::span<const Var> in) { return swiglu_grad(in[0], square(in[0]), tanh(in[0])); }},
      {"silu_grad", [](std::span<const Var> in) { return std::vector<Var>{silu_grad(in[0], exp(in[0]))}; }},
      {"rms_norm",
       [](std::span<const Var> in) {
         return std::vector<Var>{rms_norm(in[0], view(sum_to(square(in[0]), {1, 1, 3}), {3}), 1e-2)};
       }},
      {"attention", [](std::span<const Var> in) {
         const Var q = view(in[0], {1, 2, 5, 3}), k = tanh(q), v = mul(k, q);
         return std::vector<Var>{attention(q, k, v, 0.5)};
       }}};
  for (const auto& [name, f] : functions) {
    const Tensors u = random_cotangents(f, {x}, "u");
    expect_gradient(f, {x}, u, name);
    expect_second_gradient(f, {x}, u, name);
  }
}

TEST(Tape, DerivativesOfAnyOrder) {
  Tape tape;
  const Var x = tape.leaf(numbers({0.5, -1.25}));
  Var y = exp(scale(x, 2));
  for (int order = 1; order <= 4; ++order) y = grad_of(tape, y, x, true);
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_NEAR(y.value().to_doubles()[i], 16 * std::exp(2 * x.value().to_doubles()[i]), 1e-13);
  Var third = silu(x);  // its second derivative runs the definition of a fused op
  for (int order = 1; order <= 3; ++order) third = grad_of(tape, third, x, true);
  for (std::size_t i = 0; i < 2; ++i) {
    const double s = 1 / (1 + std::exp(-x.value().to_doubles()[i])), p = s * (1 - s), at = x.value().to_doubles()[i];
    // (x s)''' = 3 s'' + x s''' with s' = p, s'' = p (1 - 2 s), s''' = p (1 - 6 s + 6 s^2)
    EXPECT_NEAR(third.value().to_doubles()[i], 3 * p * (1 - 2 * s) + at * p * (1 - 6 * s + 6 * s * s), 1e-14);
  }
}

TEST(Tape, GradientsOfInnerValues) {
  Tape tape;
  const Var x = tape.leaf(numbers({2, 3})), y = square(x), z = mul(y, x), other = tape.leaf(numbers({1, 1}));
  const std::vector<Var> wanted{x, y, z, other, Var(numbers({1, 1}))};
  const auto g = tape.grad(z, wanted, numbers({1, 10}));
  EXPECT_EQ(g[0].value().to_doubles(), (std::vector<double>{12, 270}));  // 3 x^2, all ways
  EXPECT_EQ(g[1].value().to_doubles(), (std::vector<double>{2, 30}));    // x: y as if it were a leaf
  EXPECT_EQ(g[2].value().to_doubles(), (std::vector<double>{1, 10}));
  EXPECT_FALSE(bool(g[3])) << "an empty gradient: z does not depend on it";
  EXPECT_FALSE(bool(g[4])) << "a constant";
  // before x and behind z nothing is asked
  const Var w = exp(z);
  EXPECT_EQ(tape.grad(z, {&y, 1}, numbers({1, 1}))[0].value().to_doubles(), (std::vector<double>{2, 3}));
  EXPECT_FALSE(bool(tape.grad(x, {&w, 1}, numbers({1, 1}))[0]));
  // one result of several
  const auto parts = split_heads(tape.leaf(random_tensor({1, 2, 6}, "parts")), 2, 1);
  const Var product = mul(parts[0], parts[1]);
  EXPECT_TRUE(same_bits(tape.grad(product, {&parts[1], 1}, ones_like(product))[0].value(), parts[0].value()));
}

TEST(Tape, SeveralResultsAtOnce) {
  Tape tape;
  const Var x = tape.leaf(numbers({2, 3}));
  const std::vector<Var> ys{square(x), scale(x, 5), x, Var(numbers({7, 7}))},
      dys{numbers({1, 1}), numbers({1, 0}), numbers({100, 100}), numbers({1, 1})};
  EXPECT_EQ(tape.grad(ys, {&x, 1}, dys)[0].value().to_doubles(), (std::vector<double>{109, 106}));
  std::vector<double> found;
  Tape again;
  const Var leaf = again.leaf(numbers({2, 3}), [&](const Var& g) { found = g.value().to_doubles(); });
  const std::vector<Var> both{square(leaf), scale(leaf, 5)};
  again.backward(both, std::span(dys).subspan(0, 2));
  EXPECT_EQ(found, (std::vector<double>{9, 6}));
}

TEST(Tape, EverySinkIsFedOnce) {
  Tape tape;
  std::vector<int> calls(3);
  std::vector<bool> fed(3);
  std::vector<Var> x;
  for (std::size_t i = 0; i < 3; ++i)
    x.push_back(tape.leaf(numbers({2}), [&, i](const Var& g) { ++calls[i], fed[i] = bool(g); }));
  const Var y = mul(x[0], square(x[2]));
  const std::vector<Var> asked = tape.grad(y, x, ones_like(y));
  EXPECT_EQ(calls, (std::vector<int>{0, 0, 0})) << "grad() feeds no sink";
  EXPECT_EQ(asked[0].value().item(), 4);
  tape.backward(y, ones_like(y));
  EXPECT_EQ(calls, (std::vector<int>{1, 1, 1}));
  EXPECT_EQ(fed, (std::vector<bool>{true, false, true})) << "also without a gradient";
}

TEST(Tape, ClosuresAreFreedWhileWalkingBack) {
  Tape tape;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;
  const Var x = tape.leaf(numbers({2}));
  const Var y = op("watched", numbers({2}), {x}, [held](const Var& dy) { return Grads{dy}; });
  held.reset();
  EXPECT_FALSE(watched.expired());
  tape.backward(y, ones_like(y));
  EXPECT_TRUE(watched.expired());
}

TEST(Tape, NothingIsRecordedForConstants) {
  Tape tape;
  const Var x = tape.leaf(numbers({2})), c = numbers({3});
  const std::size_t before = tape.size();
  EXPECT_EQ(exp(mul(c, c)).tape(), nullptr);
  EXPECT_EQ(tape.size(), before);
  EXPECT_EQ(mul(c, x).tape(), &tape);
  EXPECT_EQ(tape.size(), before + 1);
  const std::size_t recorded = tape.size();
  grad_of(tape, mul(c, x), x);
  EXPECT_EQ(tape.size(), recorded + 1) << "a gradient without derivatives of its own leaves the tape as it is";
}

TEST(Tape, InputsOnTwoTapesNameBoth) {
  Tape one("first tape"), two("second tape");
  const Var a = one.leaf(numbers({1})), b = two.leaf(numbers({1}));
  const std::string said = sentence_of([&] { add(a, b); });
  EXPECT_NE(said.find("'first tape'"), std::string::npos) << said;
  EXPECT_NE(said.find("'second tape'"), std::string::npos) << said;
  EXPECT_NE(sentence_of([&] { swiglu_grad(a, a, b); }).find("'second tape'"), std::string::npos);
}

TEST(Tape, ACotangentOfAnotherShapeIsRefused) {
  Tape tape;
  const Var x = tape.leaf(random_tensor({2, 3}, "x"));
  const Var y = square(x), wrong = random_tensor({3}, "dy");
  const std::string said = sentence_of([&] { tape.grad(y, {&x, 1}, wrong); });
  EXPECT_NE(said.find("[3]"), std::string::npos) << said;
  EXPECT_NE(said.find("[2, 3]"), std::string::npos) << said;
  EXPECT_THROW(tape.backward(y, wrong), Error);
}

TEST(Tape, AGradientOfAnotherTypeIsRefused) {
  Tape tape;
  const Var x = tape.leaf(random_tensor({3}, "x", DType::f32)), wide = random_tensor({3}, "dy", DType::f64);
  EXPECT_EQ(sentence_of([&] {
              tape.grad(square(x), {&x, 1}, wide);
            }),
            "the caller gives a f64 gradient of f32 numbers");
  const Var y = op("careless", x.value(), {x}, [&](const Var&) { return Grads{wide}; });
  EXPECT_EQ(sentence_of([&] { tape.backward(y, ones_like(y)); }), "careless gives a f64 gradient of f32 numbers");
}

// What a caller hands in as a cotangent may itself be tracked; only a differentiable pass follows it.
TEST(Tape, ATrackedCotangent) {
  const Tensor x0 = random_tensor({3}, "x"), z0 = random_tensor({3}, "z"), u0 = random_tensor({3}, "u");
  const std::vector<std::pair<std::string, Function>> functions{
      {"silu_grad", [](std::span<const Var> in) { return std::vector<Var>{silu_grad(in[0], in[1])}; }},
      {"mul", [](std::span<const Var> in) { return std::vector<Var>{mul(in[0], in[1])}; }}};
  for (const auto& [name, f] : functions) {
    Tape tape;
    const std::vector<Var> in = leaves(tape, {x0, z0});
    const Var u = tape.leaf(u0), y = f(in)[0];
    const Tensors want = gradients(f, {x0, z0}, {u0});
    const auto plain = tape.grad(y, in, u);
    EXPECT_EQ(plain[0].tape(), nullptr) << name;
    EXPECT_TRUE(same_bits(plain[0].value(), want[0])) << name;
    EXPECT_EQ(tape.grad(y, in, u, true)[0].tape(), &tape) << name;
  }
}

TEST(Tape, AFailureLeavesTheTapeRecording) {
  Tape tape;
  const Var x = tape.leaf(numbers({1}));
  const Var y = op("failing", numbers({1}), {x}, [](const Var&) -> Grads { fail("no derivative today"); });
  EXPECT_THROW(grad_of(tape, y, x), Error);
  EXPECT_TRUE(tape.recording());
  EXPECT_THROW(tape.backward(y, ones_like(y)), Error);
  EXPECT_TRUE(tape.recording());
  const Var few = op("few", numbers({1}), {x}, [](const Var&) { return Grads{}; });
  EXPECT_NE(sentence_of([&] { grad_of(tape, few, x); }).find("few"), std::string::npos);
}

TEST(Tape, CollectivesPullBackZeros) {
  Tape tape;
  const Var x = tape.leaf(random_tensor({2, 3}, "x")), z = tape.leaf(numbers({1}));
  std::vector<std::string> pulled;
  auto record = [&](const char* name, const Var& in, Rule rule) {
    return op(
        name, in.value(), {in},
        [&pulled, name](const Var& dy) {
          pulled.push_back(std::string(name) + (largest(dy.value().to_doubles()) == 0 ? " zero " : " ") +
                           text_of(dy.shape()));
          return Grads{dy};
        },
        rule);
  };
  record("collective", x, Rule::collective);
  record("local", x, Rule::local);
  const Var y = record("used", z, Rule::collective);
  tape.backward(y, ones_like(y));
  EXPECT_EQ(pulled, (std::vector<std::string>{"used [1]", "collective zero [2, 3]"}));
}

TEST(Tape, ASumOverOneRankIsTheValueItself) {
  Tape tape;
  const auto alone = self_communicator();
  const Var x = tape.leaf(numbers({2, 3}));
  const Var y = finish(begin_sum(square(x), *alone));
  EXPECT_EQ(y.value().to_doubles(), (std::vector<double>{4, 9}));
  EXPECT_EQ(grad_of(tape, y, x).value().to_doubles(), (std::vector<double>{4, 6}));
}

// Two ranks that hold the same numbers, without a second rank: a sum doubles.
class Mirror final : public Communicator {
 public:
  int sums = 0;
  Mirror() : Communicator("mirror") {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  const char* transport() const override { return "mirror"; }
  std::unique_ptr<Communicator> split(int, int, const std::string&) override { return nullptr; }

 protected:
  std::shared_ptr<Work::State> start(Collective call) override {
    ++sums;
    rewrite(call.out, [](std::int64_t, double v) { return 2 * v; });
    return nullptr;
  }
};

TEST(Tape, ASumOverRanksIsItsOwnAdjoint) {
  Mirror two;
  Tape tape;
  const Tensor start = numbers({2, 3});
  const Var x = tape.leaf(start);
  InFlight a = begin_sum(x, two), b = begin_sum(square(x), two);
  const Var y = add(finish(b), finish(a));
  EXPECT_EQ(y.value().to_doubles(), (std::vector<double>{12, 24}));
  EXPECT_EQ(x.value().to_doubles(), (std::vector<double>{2, 3})) << "the sum owns its numbers";
  two.sums = 0;
  const Var g = grad_of(tape, y, x, true);
  EXPECT_EQ(g.value().to_doubles(), (std::vector<double>{2 + 8, 2 + 12}));
  EXPECT_EQ(two.sums, 2);
  const Var unused = sum_over(x, two);
  Tape again;
  const Var leaf = again.leaf(start);
  sum_over(leaf, two);
  two.sums = 0;
  const Var other = square(leaf);
  again.backward(other, ones_like(other));
  EXPECT_EQ(two.sums, 1) << "the peers wait for it, also without a gradient";
}

}  // namespace
}  // namespace lact
