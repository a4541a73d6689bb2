// The two forms of the inner loop of TTT-Linear and TTT-MLP, in f64.
#include "layers/fast_weights/mini_batch/inner_loop.hpp"
#include "base/check.hpp"
#include "support/gradcheck.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

constexpr std::int64_t items = 3, width = 4;

struct Loop {
  bool hidden;
  std::int64_t tokens, size, group = 0;
};

// q, k, v, rate, norm weight and bias, position scale, w1, w2, b2
Tensors inputs_of(const Loop& l) {
  auto drawn = [](const char* name, Shape s, double scale) { return random_tensor(s, name, DType::f64, scale); };
  const std::int64_t t = l.tokens, h = l.hidden ? 4 * width : width;
  Tensors x{drawn("q", {items, t, width}, 1),      drawn("k", {items, t, width}, 1),
            drawn("v", {items, t, width}, 1),      drawn("rate", {items, t, 1}, 0.3),
            drawn("weight", {items, 1, width}, 1), drawn("bias", {items, 1, width}, 1),
            drawn("scale", {l.size}, 1),           drawn("w1", {items, width + 1, h}, 0.5)};
  if (l.hidden) {
    x.push_back(drawn("w2", {items, h, width}, 0.5));
    x.push_back(drawn("b2", {items, 1, width}, 0.5));
  }
  return x;
}
MiniBatchTokens tokens_of(std::span<const Var> x) { return {x[0], x[1], x[2], x[3]}; }
MiniBatchRule rule_of(std::span<const Var> x, const Loop& l) {
  return {.norm = {x[4], x[5], 1e-3}, .position_scale = x[6], .group = l.group};
}
MiniBatchState start_of(std::span<const Var> x) {
  return {.start = {x[7], x.size() > 8 ? x[8] : Var(), x.size() > 8 ? x[9] : Var()}, .sums = {}, .offset = 0};
}
std::vector<Var> listed(const InnerWeights& w) {
  if (!w) return {};
  return w.hidden() ? std::vector<Var>{w.w1, w.w2, w.b2} : std::vector<Var>{w.w1};
}
std::vector<Var> listed(const MiniBatchRun& run) {  // outputs, weights, sums
  std::vector<Var> all{run.z};
  for (const InnerWeights& w : {run.state.start, run.state.sums})
    for (const Var& x : listed(w)) all.push_back(x);
  return all;
}

Mesh& alone() {
  static Mesh mesh = Mesh::alone();
  return mesh;
}
Tape* tape_of(std::span<const Var> x) { return x[0].tape(); }
Function dual(const Loop& l) {
  return [l](std::span<const Var> x) {
    Ctx c{tape_of(x), tested(), alone()};
    return listed(run_dual(c, start_of(x), tokens_of(x), rule_of(x, l)));
  };
}
Function primal(const Loop& l) {
  return [l](std::span<const Var> x) { return listed(run_primal(start_of(x), tokens_of(x), rule_of(x, l))); };
}
// In the parts between these tokens.
Function in_parts(const Loop& l, const std::vector<std::int64_t>& ends) {
  return [=](std::span<const Var> x) {
    Ctx c{tape_of(x), tested(), alone()};
    MiniBatchState state = start_of(x);
    std::vector<Var> out;
    std::int64_t at = 0;
    for (const std::int64_t end : ends) {
      const MiniBatchRun run = run_mini_batches(c, state, tokens_of(x).part({at, end}), rule_of(x, l));
      out.push_back(run.z), state = run.state, at = end;
    }
    return listed(MiniBatchRun{join(out, 1), state});
  };
}

// Values and gradients: the same sums in another order.
void expect_same(const Function& a, const Function& b, const Tensors& x, const std::string& what) {
  const Tensors u = random_cotangents(a, x, "u"), one = values_of(a(constants(x))), other = values_of(b(constants(x)));
  ASSERT_EQ(one.size(), other.size()) << what;
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_LE(difference(other[i], one[i]), 1e-11) << what << " value " << i;
  const Tensors g = gradients(a, x, u), h = gradients(b, x, u);
  for (std::size_t i = 0; i < g.size(); ++i) EXPECT_LE(difference(h[i], g[i]), 1e-11) << what << " gradient " << i;
}

TEST(InnerLoop, DualAndPrimalFormGiveTheSameNumbers) {
  for (bool hidden : {false, true})
    for (auto [tokens, size] : {std::pair<std::int64_t, std::int64_t>{13, 5}, {10, 5}, {3, 7}, {4, 1}, {1, 1}}) {
      const Loop l{hidden, tokens, size};
      expect_same(primal(l), dual(l), inputs_of(l), sentence("{} tokens by {}, hidden {}", tokens, size, hidden));
    }
}

TEST(InnerLoop, GradientsMatchDifferences) {
  for (bool hidden : {false, true}) {
    const Loop l{hidden, 7, 3};
    const Tensors x = inputs_of(l);
    expect_gradient(dual(l), x, random_cotangents(dual(l), x, "u"), "dual", 7);
  }
}

TEST(InnerLoop, WhatIsComputedAgainIsTheSame) {
  for (bool hidden : {false, true})
    for (std::int64_t group : {1, 2, 3, 9}) {
      Loop l{hidden, 23, 4};
      const Function kept = dual(l);
      l.group = group;
      expect_same(kept, dual(l), inputs_of(l), sentence("groups of {}", group));
    }
}

TEST(InnerLoop, GroupsKeepLess) {
  Loop l{true, 512, 4};
  auto peak = [&] {
    const Tensors x = inputs_of(l);
    const Tensors u{random_tensor({items, l.tokens, width}, "u")};
    tested().reset_peak();
    const std::size_t before = tested().memory().now;
    gradients([&](std::span<const Var> in) { return std::vector<Var>{dual(l)(in)[0]}; }, x, u);
    return double(tested().memory().peak - before);
  };
  const double all = peak();
  l.group = 11;
  EXPECT_LT(peak(), 0.35 * all);
}

TEST(InnerLoop, AnySplitOfASequenceGivesTheSameNumbers) {
  for (bool hidden : {false, true}) {
    const Loop l{hidden, 14, 4};
    const std::vector<std::vector<std::int64_t>> splits{{1, 14}, {4, 14}, {5, 6, 14}, {3, 11, 12, 14}, {0, 2, 2, 14}};
    for (const auto& ends : splits)
      expect_same(dual(l), in_parts(l, ends), inputs_of(l), sentence("split after {}", ends[0]));
  }
}

TEST(InnerLoop, EachTokenStepsDownTheSlopeOfItsLoss) {
  // with a mini-batch of one token and a scale of one, the next weights are w - rate dloss/dw
  for (bool hidden : {false, true}) {
    const Loop l{hidden, 1, 1};
    const Tensors x = inputs_of(l);
    Tape tape;
    const std::vector<Var> in = leaves(tape, x);
    const InnerWeights w = start_of(in).start;
    Var z = matmul(with_one(in[1]), w.w1);
    if (hidden) z = add(matmul(gelu_tanh(z), w.w2), w.b2);
    const Var y = add(mul(layer_norm(z, {}, 1e-3), in[4]), in[5]);
    const Var loss = sum_to(scale(square(sub(y, sub(in[2], in[1]))), 0.5), {items, 1, 1});
    const std::vector<Var> weights = listed(w), slopes = tape.grad(loss, weights, x[3]);
    const InnerWeights next =
        run_primal(start_of(in), tokens_of(in),
                   rule_of(constants({x[0], x[1], x[2], x[3], x[4], x[5],
                                      Tensor::of(tested(), {1}, std::vector<double>{1}, DType::f64)}),
                           l))
            .state.start;
    const std::vector<Var> got = listed(next);
    for (std::size_t i = 0; i < got.size(); ++i)
      EXPECT_LE(difference(got[i].value(), sub(Var(weights[i].value()), slopes[i]).value()), 1e-13) << i;
  }
}

TEST(InnerLoop, NothingAndHalfAMiniBatch) {
  const Loop l{false, 0, 4};
  const std::vector<Var> x = constants(inputs_of(l));
  Ctx c{nullptr, tested(), alone()};
  EXPECT_EQ(run_dual(c, start_of(x), tokens_of(x), rule_of(x, l)).z.shape(), (Shape{items, 0, width}));
  EXPECT_EQ(run_primal(start_of(x), tokens_of(x), rule_of(x, l)).z.shape(), (Shape{items, 0, width}));
  MiniBatchState inside = start_of(x);
  inside.offset = 6;
  EXPECT_NE(sentence_of([&] { run_dual(c, inside, tokens_of(x), rule_of(x, l)); }).find("6 tokens"), std::string::npos);
}

}  // namespace
}  // namespace lact
