// The inner gradient of the fast-weight network, in f64.
#include "layers/fast_weights/inputs.hpp"

namespace lact {
namespace {

// The three rates weigh the same inner loss -<f_W(k), v> differently, one for each matrix: with only that rate in the
// loss, the matrix's descent direction is the tape's own gradient.
TEST(InnerGradient, IsTheGradientOfTheInnerLoss) {
  const FastWeightInputs in = FastWeightInputs::random();
  const FastWeights got = inner_gradient({in.w0, in.w1, in.w2}, in.k, in.v, in.rate0, in.rate1, in.rate2);
  const Tensor rates[] = {in.rate0, in.rate1, in.rate2};
  for (std::size_t i = 0; i < 3; ++i) {
    Tape tape;
    const std::vector<Var> w = leaves(tape, {in.w0, in.w1, in.w2});
    const Var loss = sum(mul(mul(apply_fast_weights({w[0], w[1], w[2]}, in.k), in.v), rates[i]));
    for (bool differentiable : {false, true}) {
      const Var want = tape.grad(loss, {&w[i], 1}, ones_like(loss), differentiable)[0];
      EXPECT_LE(difference(weights(got)[i], want.value()), 1e-14) << "w" << i;  // sums of nine tokens
    }
  }
}

TEST(InnerGradient, IsASumOverTokens) {
  const FastWeightInputs in = FastWeightInputs::random();
  auto part = [&](std::int64_t a, std::int64_t b) {
    return inner_gradient({in.w0, in.w1, in.w2}, rows(in.k, a, b), rows(in.v, a, b), rows(in.rate0, a, b),
                          rows(in.rate1, a, b), rows(in.rate2, a, b));
  };
  const FastWeights whole = part(0, length), first = part(0, 4), second = part(4, length), none = part(3, 3);
  EXPECT_LE(difference(add(first.w0, second.w0).value(), whole.w0.value()), 1e-14);
  EXPECT_LE(difference(add(first.w1, second.w1).value(), whole.w1.value()), 1e-14);
  EXPECT_LE(difference(add(first.w2, second.w2).value(), whole.w2.value()), 1e-14);
  for (const Tensor& t : weights(none)) EXPECT_EQ(largest(t.to_doubles()), 0);
}

TEST(InnerGradient, DerivativesMatchDifferences) {
  const FastWeightInputs in = FastWeightInputs::random();
  const Function f = [](std::span<const Var> x) {
    const FastWeights g = inner_gradient({x[0], x[1], x[2]}, x[3], x[4], x[5], x[6], x[7]);
    return std::vector<Var>{g.w0, g.w1, g.w2};
  };
  const Tensors x{in.w0, in.w1, in.w2, in.k, in.v, in.rate0, in.rate1, in.rate2}, u = random_cotangents(f, x, "u");
  expect_gradient(f, x, u, "inner gradient");
  expect_second_gradient(f, x, u, "inner gradient");
}

}  // namespace
}  // namespace lact
