// Training with bf16 activations, on a GPU: beside fp32 with the same numbers.
#include "autograd/ops.hpp"
#include "models/view_synthesis/model.hpp"
#include "support/gradcheck.hpp"
#include "train/learner.hpp"

namespace lact {
namespace {

constexpr double eps16 = 1.0 / 256;

Tensor as(const Tensor& x, DType t) { return cast(Var(x), t).value(); }

// <f(x), u> and the gradients of all inputs: those named in `low` are bf16 in one run and the same numbers in f64 in
// the other.
void expect_near(const std::function<Var(std::span<const Var>)>& f, const std::vector<Shape>& shapes,
                 const std::vector<bool>& low, double units, const std::string& what) {
  std::vector<Tensor> mine, judge;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    Tensor x = random_tensor(shapes[i], (what + std::to_string(i)).c_str(), DType::f32, 0.5);
    mine.push_back(low[i] ? as(x, DType::bf16) : x);
    judge.push_back(as(mine.back(), DType::f64));
  }
  auto run = [&](const std::vector<Tensor>& x) {
    Tape tape;
    std::vector<Var> in = leaves(tape, x);
    Var y = f(in);
    const Tensor u = as(as(random_tensor(y.shape(), "u", DType::f32), DType::bf16), y.value().dtype());
    std::vector<Var> all = tape.grad(y, in, u);
    all.push_back(y);
    return all;
  };
  const auto a = run(mine), b = run(judge);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_LE(difference(a[i].value(), b[i].value()), units * eps16) << what << ", number " << i;
    if (i == mine.size()) continue;
    EXPECT_EQ(a[i].value().dtype(), mine[i].dtype()) << what << ": the type of gradient " << i;
  }
}

TEST(Bf16Ops, GradientsHaveTheTypeOfWhatTheyBelongTo) {
  auto at = [](auto g) { return [g](std::span<const Var> x) { return g(x); }; };
  expect_near(at([](auto x) { return linear(x[0], x[1], x[2]); }), {{2, 40, 64}, {96, 64}, {96}}, {true, false, false},
              2, "linear");
  expect_near(at([](auto x) { return matmul(x[0], x[1]); }), {{2, 40, 64}, {2, 64, 32}}, {true, false}, 2,
              "times weights");
  expect_near(at([](auto x) { return matmul(x[0], x[1], Orient::tn); }), {{2, 300, 64}, {2, 300, 32}}, {true, true}, 2,
              "a sum over tokens");
  expect_near(at([](auto x) { return mul(x[0], x[1]); }), {{2, 40, 64}, {2, 40, 1}}, {true, false}, 2, "rates");
  expect_near(at([](auto x) { return layer_norm(x[0], x[1], 1e-5); }), {{2, 40, 64}, {64}}, {true, false}, 2, "norm");
  expect_near(at([](auto x) { return l2_norm(silu(x[0]), 1e-5); }), {{2, 40, 64}}, {true}, 4, "keys");
  expect_near(at([](auto x) { return attention(x[0], x[1], x[2], 0.125); }),
              {{1, 2, 70, 64}, {1, 2, 70, 64}, {1, 2, 70, 64}}, {true, true, true}, 4, "attention");
}

struct Fixture {
  ParameterStore store;
  Mesh mesh = Mesh::alone();
  ViewSynthesis model;
  ViewBatch batch;
  Fixture() : model(store, config()) {
    store.lay_out(tested(), mesh, 3);
    auto in_unit = [](const Shape& s, const char* name) {
      Tensor t = random_tensor(s, name, DType::f32);
      rewrite(t, [](std::int64_t, double v) { return 0.5 + 0.5 * std::tanh(v); });
      return t;
    };
    batch.images = in_unit({1, 4, 3, 8, 8}, "images");
    batch.poses = random_tensor({1, 4, 4, 4}, "poses", DType::f32);
    batch.intrinsics = in_unit({1, 4, 4}, "intrinsics");
    rewrite(batch.intrinsics, [](std::int64_t i, double v) { return i % 4 < 2 ? 8 + v : 3.5 + v; });
    batch.input_views = 3, batch.target_views = 1, batch.valid = 3 * 8 * 8;
  }
  static ViewSynthesisConfig config() {
    ViewSynthesisConfig c{.patch_size = 4, .dim = 64, .layers = 1};
    c.block_config = ViewSynthesisConfig::default_blocks();
    c.block_config[1].params.head_dim = 64;
    return c;
  }
  std::pair<double, std::vector<double>> loss_and_gradient(DType t) {
    store.zero_gradients();
    Tape tape;
    Ctx c{&tape, tested(), mesh, 0, 0, t};
    Var loss = loss_of(model, c, batch, false);
    tape.backward(loss, ones_like(loss));
    std::vector<double> all;
    for (const Parameter& p : store.parameters())
      for (double g : store.gradient(p).to_doubles()) all.push_back(g);
    return {loss.value().item(), all};
  }
};

TEST(Bf16Training, LossAndGradientStayNearFp32) {
  Fixture f;
  const auto [loss, gradient] = f.loss_and_gradient(DType::f32);
  const auto [low_loss, low_gradient] = f.loss_and_gradient(DType::bf16);
  EXPECT_NEAR(low_loss, loss, 2e-3 * loss);
  double along = 0, a = 0, b = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i)
    along += gradient[i] * low_gradient[i], a += gradient[i] * gradient[i], b += low_gradient[i] * low_gradient[i];
  EXPECT_GT(along / std::sqrt(a * b), 0.999) << "the same direction";
  EXPECT_NEAR(std::sqrt(b / a), 1, 0.02) << "the same length";
}

TEST(Bf16Training, LearnsAsFp32Does) {
  std::vector<double> last;
  for (const char* precision : {"fp32", "bf16"}) {
    Fixture f;
    LearningConfig cfg;
    cfg.constant_lr = true, cfg.lr = 2e-3, cfg.free_steps = -1, cfg.skip_norm = 0, cfg.precision = precision;
    Learner learner(f.model, f.store, f.mesh, tested(), cfg, 0);
    double first = 0, loss = 0;
    for (std::int64_t s = 0; s < 8; ++s) {
      loss = learner.step(s, 1, [&](std::int64_t) { return f.batch; }).loss;
      if (s == 0) first = loss;
    }
    EXPECT_LT(loss, 0.95 * first) << precision;
    last.push_back(loss);
  }
  EXPECT_NEAR(last[1], last[0], 0.05 * last[0]);
}

}  // namespace
}  // namespace lact
