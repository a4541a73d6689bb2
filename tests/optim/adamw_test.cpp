// The optimizer step: gradient norms, clipping, and AdamW number by number.
#include "optim/adamw.hpp"
#include "base/random.hpp"
#include "kernels/update.hpp"
#include "layers/parameters/scope.hpp"
#include "optim/reducer.hpp"
#include "support/layer_bench.hpp"

namespace lact {
namespace {

using kernels::scalar::clip_scale;

TEST(ClipScale, LeavesSmallNormsAndBoundsLargeOnes) {
  EXPECT_EQ(clip_scale(0, 1), 1);
  EXPECT_EQ(clip_scale(0.5, 1), 1);
  EXPECT_NEAR(clip_scale(4, 1), 0.25, 1e-6);
  EXPECT_DOUBLE_EQ(clip_scale(4, 1), 1 / (4 + 1e-6));
  EXPECT_LE(4 * clip_scale(4, 1), 1);
  EXPECT_EQ(clip_scale(1e9, 0), 1) << "0 is no limit";
  EXPECT_EQ(clip_scale(std::numeric_limits<double>::infinity(), 1), 0);
}

TEST(GradientNorm, CountsEachNumberOnce) {
  Bench s;
  const Parameter &a = Scope(s.store).parameter("a", {3, 5}, constant(0)),
                  &b = Scope(s.store).parameter("b", {7}, constant(0));
  s.store.lay_out(tested(), s.mesh, 0);
  EXPECT_EQ(gradient_norm(s.store), 0);
  for (const Parameter* p : {&a, &b}) rewrite(s.store.gradient(*p), [](std::int64_t, double) { return 2; });
  Reducer(s.store, s.mesh).finish();
  EXPECT_DOUBLE_EQ(gradient_norm(s.store), 2 * std::sqrt(22.0));
  rewrite(s.store.gradient(b), [](std::int64_t i, double v) { return i == 6 ? std::nan("") : v; });
  EXPECT_FALSE(std::isfinite(gradient_norm(s.store)));
}

// Loshchilov and Hutter: w <- w - rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay w), in doubles, number by
// number.
TEST(AdamW, DecaysMatricesAndNotVectors) {
  Bench s;
  const Shape shapes[] = {{3, 5}, {7}, {9}, {2, 2, 3}, {4}};
  for (std::size_t i = 0; i < 5; ++i) Scope(s.store).parameter("p" + std::to_string(i), shapes[i], gaussian(1));
  s.store.lay_out(tested(), s.mesh, 1);
  AdamW optimizer(s.store, s.mesh, tested(), {.weight_decay = 0.25});
  const Tensor rate = Tensor::of(tested(), {1}, std::vector<double>{0.01}, DType::f64);
  const Tensor sums = Tensor::of(tested(), {2}, std::vector<double>{0, 1}, DType::f64);  // a norm of 1 ...
  const AdamW::Limits half{.clip = 0.5 * (1 + 1e-6)};                                    // ... is clipped to a half
  struct State {
    double w, m = 0, v = 0;
  };
  std::vector<std::vector<State>> want;
  for (const Parameter& p : s.store.parameters()) {
    want.emplace_back();
    for (double w : s.store.value(p).to_doubles()) want.back().push_back({w});
  }
  for (std::int64_t step = 1; step <= 3; ++step) {
    std::size_t at = 0;
    for (const Parameter& p : s.store.parameters()) {
      rewrite(s.store.gradient(p),
              [&](std::int64_t i, double) { return 0.5 * normal(random_key(9, p.name, step), i); });
      for (std::int64_t i = 0; i < p.count(); ++i) {
        const double g = 0.5 * normal(random_key(9, p.name, step), i);
        State& x = want[at][std::size_t(i)];
        const double scaled = 0.5 * double(float(g));
        x.m = 0.9 * x.m + 0.1 * scaled, x.v = 0.95 * x.v + 0.05 * scaled * scaled;
        const double direction = x.m / (1 - std::pow(0.9, step)) / (std::sqrt(x.v / (1 - std::pow(0.95, step))) + 1e-8);
        x.w -= 0.01 * (direction + (p.shape.size() >= 2 ? 0.25 * x.w : 0));
      }
      ++at;
    }
    optimizer.step(rate, sums, half);
    EXPECT_EQ(optimizer.steps(), step);
  }
  std::size_t at = 0;
  for (const Parameter& p : s.store.parameters()) {
    const auto got = s.store.value(p).to_doubles();
    // three steps of about ten roundings each
    for (std::size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], want[at][i].w, 30 * eps32 * (1 + std::abs(got[i]))) << p.name << " " << i;
    ++at;
  }
  const Tensor flat = s.store.buckets()[0].value;
  double all = 0, own = 0;
  for (double x : flat.to_doubles()) all += x * x;
  for (const Parameter& p : s.store.parameters())
    for (double x : s.store.value(p).to_doubles()) own += x * x;
  EXPECT_DOUBLE_EQ(all, own) << "the padding stays zero";
}

}  // namespace
}  // namespace lact
