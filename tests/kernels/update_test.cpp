// The optimizer's arithmetic: f32 judged by f64.
#include "kernels/update.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

Tensor sums_of(double loss, double squared_norm) {
  return Tensor::of(tested(), {2}, std::vector<double>{loss, squared_norm}, DType::f64);
}
Tensor rate_of(double rate) { return Tensor::of(tested(), {1}, std::vector<double>{rate}, DType::f64); }
Tensor adamw_steps(DType t) {
  Tensor p = random_tensor({1001}, "p", t), m = Tensor::zeros(tested(), {1001}, t),
         v = Tensor::zeros(tested(), {1001}, t);
  const Tensor verdict = Tensor::zeros(tested(), {5}, DType::f64);
  for (std::int64_t step = 1; step <= 3; ++step) {
    kernels::judge(verdict, sums_of(0, 1), {.clip = 0.5});
    kernels::adamw(p, m, v, random_tensor({1001}, "g", t), verdict, rate_of(1e-2), {.decay = 0.05});
  }
  return p;
}

TEST(Update, AdamW) {
  expect_agrees({adamw_steps(DType::f32), adamw_steps(DType::f64)}, 8, "adamw");
  // one step by hand: m = 0.1 g, v = 0.05 g^2, both corrected to g and g^2
  Tensor p = Tensor::of(tested(), {1}, std::vector<double>{2}, DType::f64),
         m = Tensor::zeros(tested(), {1}, DType::f64), v = Tensor::zeros(tested(), {1}, DType::f64),
         g = Tensor::of(tested(), {1}, std::vector<double>{-4}, DType::f64),
         verdict = Tensor::zeros(tested(), {5}, DType::f64);
  kernels::judge(verdict, sums_of(1, 16), {.clip = 1});
  EXPECT_NEAR(verdict.to_doubles()[1], 0.25, 1e-7);
  kernels::adamw(p, m, v, g, verdict, rate_of(0.1), {.eps = 0, .decay = 0.5});
  EXPECT_NEAR(p.item(), 2 * 0.95 + 0.1, 1e-14);
}

TEST(Update, AStepThatIsLeftOutChangesNothingAndIsNotCounted) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN(), endless = std::numeric_limits<double>::infinity();
  const Tensor verdict = Tensor::zeros(tested(), {5}, DType::f64);
  const kernels::Limits limits{.clip = 1, .skip_norm = 4};
  Tensor p = random_tensor({37}, "p", DType::f32), m = random_tensor({37}, "m", DType::f32),
         v = Tensor::zeros(tested(), {37});
  auto judged = [&](double loss, double squares, const kernels::Limits& l) {
    kernels::judge(verdict, sums_of(loss, squares), l);
    return kernels::LeftOut(int(verdict.to_doubles()[4]));
  };
  using kernels::LeftOut;
  EXPECT_EQ(judged(1, 16, limits), LeftOut::no) << "a norm of 4 is not above 4";
  const auto p0 = p.to_doubles(), m0 = m.to_doubles();
  const std::tuple<double, double, LeftOut> cases[]{{none, 1, LeftOut::loss_not_finite},
                                                    {-endless, none, LeftOut::loss_not_finite},
                                                    {1, none, LeftOut::norm_not_finite},
                                                    {1, endless, LeftOut::norm_not_finite},
                                                    {1, 16.1, LeftOut::large_norm}};
  for (const auto& [loss, squares, why] : cases) {
    EXPECT_EQ(judged(loss, squares, limits), why);
    kernels::adamw(p, m, v, random_tensor({37}, "g", DType::f32), verdict, rate_of(1), {});
    EXPECT_EQ(p.to_doubles(), p0);
    EXPECT_EQ(m.to_doubles(), m0);
    EXPECT_EQ(verdict.to_doubles()[0], 1) << "one step was made";
  }
  EXPECT_EQ(judged(1, 1e12, {}), LeftOut::no) << "there are no limits";
  EXPECT_EQ(verdict.to_doubles()[1], 1);
  EXPECT_EQ(verdict.to_doubles()[0], 2);
}

TEST(Update, ThreadsChangeNoBit) {
  expect_thread_independent([] { return adamw_steps(DType::f32); }, "adamw");
}

}  // namespace
}  // namespace lact
