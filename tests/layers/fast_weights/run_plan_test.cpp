// The machine that runs a plan of events.
#include "layers/fast_weights/run_plan.hpp"

#include "layers/fast_weights/inputs.hpp"
#include "layers/fast_weights/minimal.hpp"
#include "layers/fast_weights/ttt.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

struct Machine {
  Mesh mesh = Mesh::alone();
  FastWeightRun run(const std::vector<Var>& x, const TttPlan& plan, const FastWeightRule& rule, bool momentum = false) {
    Ctx c{nullptr, tested(), mesh};
    FastWeightTokens t{x[3], x[4], x[5], x[6], x[7], x[8], momentum ? x[9] : Var()};
    return run_fast_weights(c, {x[0], x[1], x[2]}, t, plan, rule);
  }
};

FastWeightRun run(const FastWeightInputs& in, const TttPlan& plan,
                  const FastWeightRule& rule = {.orthogonalise = NewtonSchulz::view_synthesis(5)}) {
  return Machine().run(constants(in.all()), plan, rule);
}
TttEvent update(std::int64_t begin, std::int64_t end) { return {TttEvent::update, {begin, end}}; }
TttEvent apply(std::int64_t begin, std::int64_t end) { return {TttEvent::apply, {begin, end}}; }
void expect_same(const FastWeights& a, const FastWeights& b) {
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(weights(a)[i], weights(b)[i])) << "w" << i;
}

// What travels between ranks keeps its type: f32 rates never ride in a tensor of bf16 queries.
TEST(FastWeightTokens, TravelInOnePieceOfEachType) {
  const FastWeightInputs in = FastWeightInputs::random(DType::f32);
  for (const DType low : {DType::f32, DType::bf16})
    for (const bool momentum : {false, true}) {
      const FastWeightTokens x{cast(in.q, low),
                               cast(in.k, low),
                               cast(in.v, low),
                               in.rate0,
                               in.rate1,
                               in.rate2,
                               momentum ? Var(in.momentum) : Var()};
      std::vector<DType> pieces;
      const FastWeightTokens there = travelled(x, [&](const Var& piece) {
        pieces.push_back(piece.value().dtype());
        return piece;
      });
      EXPECT_EQ(pieces, low == DType::f32 ? std::vector{low} : std::vector({low, DType::f32}));
      EXPECT_EQ(bool(there.momentum), momentum);
      for (auto part : {&FastWeightTokens::q, &FastWeightTokens::k, &FastWeightTokens::v, &FastWeightTokens::rate0,
                        &FastWeightTokens::rate1, &FastWeightTokens::rate2, &FastWeightTokens::momentum}) {
        if (x.*part) {
          EXPECT_TRUE(same_bits((there.*part).value(), (x.*part).value()));
        }
      }
    }
}

TEST(FastWeightPlan, ApplyOnlyIsTheNetworkItself) {
  const FastWeightInputs in = FastWeightInputs::random();
  const FastWeightRun r = run(in, {apply(0, length)});
  EXPECT_TRUE(same_bits(r.out.value(), apply_fast_weights({in.w0, in.w1, in.w2}, in.q).value()));
  expect_same(r.state, {in.w0, in.w1, in.w2});
}

TEST(FastWeightPlan, UpdateOnlyGivesAStateAndNoOutput) {
  const FastWeightRun r = run(FastWeightInputs::random(), {update(0, length)});
  EXPECT_FALSE(bool(r.out));
  EXPECT_FALSE(same_bits(r.state.w0.value(), FastWeightInputs::random().w0));
  EXPECT_FALSE(bool(run(FastWeightInputs::random(), {}).out));
}

TEST(FastWeightPlan, RangesMayOverlapRepeatAndRunOutOfOrder) {
  const FastWeightInputs in = FastWeightInputs::random();
  const Tensor whole = run(in, {update(2, 7), apply(0, length)}).out.value();
  const Tensor pieces =
      run(in, {update(2, 7), apply(5, 9), apply(0, 3), apply(2, 6), apply(2, 6), apply(4, 4), apply(0, 1)}).out.value();
  EXPECT_EQ(pieces.shape(), (Shape{items, 16, width}));
  const Range at[] = {{5, 9}, {0, 3}, {2, 6}, {2, 6}, {0, 1}};
  std::int64_t from = 0;
  for (const Range& r : at) {
    EXPECT_LE(difference(rows(pieces, from, from + r.size()), rows(whole, r.begin, r.end)), 1e-14) << r.begin;
    from += r.size();
  }
}

TEST(FastWeightPlan, AnUpdateSeesItsRangeAndTheStateBefore) {
  FastWeightInputs in = FastWeightInputs::random();
  const TttPlan plan{update(0, 4), update(2, 6), apply(0, length)};
  const FastWeightRun r = run(in, plan);
  EXPECT_FALSE(same_bits(r.state.w0.value(), run(in, {update(2, 6), update(0, 4)}).state.w0.value()))
      << "their order counts";
  for (Tensor* t : {&in.k, &in.v})  // tokens outside of every update's range do not matter
    rewrite(*t, [](std::int64_t i, double v) { return i / width % length >= 6 ? 1e30 : v; });
  expect_same(run(in, plan).state, r.state);
  EXPECT_TRUE(same_bits(run(in, plan).out.value(), r.out.value()));
}

TEST(FastWeightPlan, AnUpdateChangesOnlyWhatIsAppliedAfterIt) {
  const FastWeightInputs in = FastWeightInputs::random();
  const Tensor y = run(in, {apply(0, 5), update(0, 5), apply(0, 5)}).out.value();
  EXPECT_TRUE(same_bits(rows(y, 0, 5), run(in, {apply(0, 5)}).out.value()));
  EXPECT_TRUE(same_bits(rows(y, 5, 10), run(in, {update(0, 5), apply(0, 5)}).out.value()));
  EXPECT_GT(difference(rows(y, 0, 5), rows(y, 5, 10)), 1e-3);
}

TEST(FastWeightPlan, AStateGoesOnWhereItStopped) {
  const FastWeightInputs in = FastWeightInputs::random();
  FastWeightInputs later = in;
  const FastWeightRun once = run(in, {update(0, 5), apply(0, length)}), first = run(in, {update(0, 5)});
  later.w0 = first.state.w0.value(), later.w1 = first.state.w1.value(), later.w2 = first.state.w2.value();
  EXPECT_TRUE(same_bits(run(later, {apply(0, length)}).out.value(), once.out.value()));
}

TEST(FastWeightPlan, RangesBeyondTheTokensAreClipped) {
  const FastWeightInputs in = FastWeightInputs::random();
  const FastWeightRun a = run(in, {update(0, 99), apply(3, 99)}), b = run(in, {update(0, length), apply(3, length)});
  EXPECT_TRUE(same_bits(a.out.value(), b.out.value()));
  expect_same(a.state, b.state);
}

TEST(FastWeightPlan, ColumnsKeepTheirFirstNorms) {
  const FastWeightInputs in = FastWeightInputs::random();
  const FastWeightRun r = run(in, {update(0, 3), update(3, 9), update(1, 5)});
  const Tensors before{in.w0, in.w1, in.w2}, after = weights(r.state);
  for (std::size_t i = 0; i < 3; ++i)
    // w / (|w| + 1e-5) * norm: short by 1e-5 / |w|, and the norms here are above 0.2
    EXPECT_LE(difference(column_norm(after[i]).value(), column_norm(before[i]).value()), 5e-5);
}

// With nothing to learn from, the weights move by the epsilon of the normalisation alone: w |w| / (|w| + 1e-5).
TEST(FastWeightPlan, WithoutTokensOrRatesOnlyTheNormalisationActs) {
  const FastWeightInputs in = FastWeightInputs::random();
  FastWeightInputs idle = in;
  idle.rate0 = idle.rate1 = idle.rate2 = Tensor::zeros(tested(), {items, length, 1}, DType::f64);
  const Tensors start{in.w0, in.w1, in.w2};
  for (const FastWeightRule& rule : {FastWeightRule{},
                                     {.orthogonalise = NewtonSchulz::view_synthesis(0)},
                                     {.orthogonalise = NewtonSchulz::language()}})
    for (const FastWeightRun& r :
         {run(in, {update(4, 4)}, rule), run(in, {update(50, 60)}, rule), run(idle, {update(0, length)}, rule)})
      for (std::size_t i = 0; i < 3; ++i) {
        const Var norm = column_norm(start[i]);
        EXPECT_LE(difference(weights(r.state)[i], mul(start[i], mul(norm, inverse(shift(norm, 1e-5)))).value()), 1e-15)
            << "w" << i;
      }
}

TEST(FastWeightPlan, NormalisedUpdatesIgnoreACommonScaleOfTheRates) {
  const FastWeightInputs in = FastWeightInputs::random();
  FastWeightInputs louder = in;
  louder.rate0 = scale(in.rate0, 7).value();
  for (std::int64_t steps : {0, 5}) {
    const FastWeightRule rule{.orthogonalise = NewtonSchulz::view_synthesis(steps)};
    // the epsilon 1e-7 beside gradients of norm above 1, amplified by up to 485
    EXPECT_LE(
        difference(run(louder, {update(0, 9)}, rule).state.w0.value(), run(in, {update(0, 9)}, rule).state.w0.value()),
        1e-4);
  }
  EXPECT_GT(difference(run(louder, {update(0, 9)}, {}).state.w0.value(), run(in, {update(0, 9)}, {}).state.w0.value()),
            1e-2);
}

TEST(FastWeightPlan, OverwrittenWeightsActThroughGradientAndNormsOnly) {
  const FastWeightInputs in = FastWeightInputs::random();
  const FastWeightRule rule{.orthogonalise = NewtonSchulz::language(), .detach_targets = false, .forget_weights = true};
  const FastWeights g = inner_gradient({in.w0, in.w1, in.w2}, in.k, in.v, in.rate0, in.rate1, in.rate2);
  const Var want = keep_column_norm(add(NewtonSchulz::language()(g.w1), g.w1), column_norm(in.w1), 1e-5);
  EXPECT_LE(difference(run(in, {update(0, length)}, rule).state.w1.value(), want.value()), 1e-14);
}

TEST(FastWeightPlan, MomentumAddsTheStepBefore) {
  const FastWeightInputs in = FastWeightInputs::random();
  const std::vector<Var> x = constants(in.all());
  const FastWeightRule rule{};  // raw gradients
  const FastWeightRun two = Machine().run(x, {update(0, 4), update(4, 9)}, rule, true);
  const FastWeightRun one = Machine().run(x, {update(0, 4)}, rule, true);
  expect_same(one.state, run(in, {update(0, 4)}, rule).state);  // nothing came before
  auto gradient = [&](const FastWeights& w, std::int64_t a, std::int64_t b) {
    return inner_gradient(w, rows(in.k, a, b), rows(in.v, a, b), rows(in.rate0, a, b), rows(in.rate1, a, b),
                          rows(in.rate2, a, b));
  };
  const Var mean = scale(sum_to(rows(in.momentum, 4, 9), {items, 1, 1}), 0.2);
  const Var step = add(gradient(one.state, 4, 9).w2, mul(mean, gradient({in.w0, in.w1, in.w2}, 0, 4).w2));
  const Var want = keep_column_norm(add(one.state.w2, step), column_norm(in.w2), 1e-5);
  EXPECT_LE(difference(two.state.w2.value(), want.value()), 1e-14);
}

// Derivatives through the inner gradient are second derivatives of the network.
class ThroughTheInnerStep : public testing::TestWithParam<std::pair<const char*, FastWeightRule>> {
 protected:
  // With fixed column norms the targets are constants, so that detaching them changes nothing that a difference could
  // see.
  Function function(const TttPlan& plan, bool momentum) const {
    const FastWeightRule rule = GetParam().second;
    return [=](std::span<const Var> x) {
      std::vector<Var> in(x.begin(), x.end());
      if (rule.detach_targets)
        for (std::size_t i = 0; i < 3; ++i) {
          Tensor norms = like(in[i].value(), {items, 1, in[i].dim(2)});
          rewrite(norms, [](std::int64_t n, double) { return 1.5 + 0.1 * double(n); });
          in[i] = keep_column_norm(in[i], norms, 0);
        }
      const FastWeightRun r = Machine().run(in, plan, rule, momentum);
      return std::vector<Var>{r.out, r.state.w0, r.state.w1, r.state.w2};
    };
  }
  void expect_derivatives(const TttPlan& plan, bool momentum) const {
    const Function f = function(plan, momentum);
    const Tensors x = FastWeightInputs::random().all(), u = random_cotangents(f, x, "u");
    expect_gradient(f, x, u, GetParam().first + text_of(plan), 7);
  }
};

TEST_P(ThroughTheInnerStep, UpdateThenApply) { expect_derivatives({update(0, 6), apply(0, 9)}, false); }
TEST_P(ThroughTheInnerStep, AChainOfUpdates) {
  expect_derivatives({apply(0, 3), update(0, 4), apply(3, 6), update(2, 7), apply(5, 9)}, false);
}
TEST_P(ThroughTheInnerStep, Momentum) {
  expect_derivatives({update(0, 3), update(3, 6), update(6, 9), apply(0, 9)}, true);
}

INSTANTIATE_TEST_SUITE_P(
    Rules, ThroughTheInnerStep,
    testing::Values(std::pair{"raw", FastWeightRule{}},
                    std::pair{"raw_targets_followed", FastWeightRule{.detach_targets = false}},
                    std::pair{"norm", FastWeightRule{.orthogonalise = NewtonSchulz::view_synthesis(0)}},
                    std::pair{"newton_schulz", FastWeightRule{.orthogonalise = NewtonSchulz::view_synthesis(2)}},
                    std::pair{"overwritten", FastWeightRule{.orthogonalise = NewtonSchulz{{{2, -1.5, 0.5}}},
                                                            .detach_targets = false,
                                                            .forget_weights = true}}),
    [](const auto& p) { return std::string(p.param.first); });

TEST(FastWeights, DetachedTargetsPassNoGradient) {
  const FastWeightInputs in = FastWeightInputs::random();
  auto gradient = [&](bool detached) {
    Tape tape;
    const std::vector<Var> x = leaves(tape, in.all());
    const FastWeightRun r = Machine().run(x, {update(0, 9)}, {.detach_targets = detached});
    const Var norms = sum(column_norm(r.state.w0));  // the targets again, up to the epsilon
    return tape.grad(norms, {&x[0], 1}, ones_like(norms))[0].value();
  };
  EXPECT_LE(largest(gradient(true).to_doubles()), 1e-4);
  EXPECT_GT(largest(gradient(false).to_doubles()), 0.1);
}

}  // namespace
}  // namespace lact
