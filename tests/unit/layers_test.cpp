// Whole layers in f64: the gradient of every parameter and of the input against differences, and what a plan means to a
// layer.
#include <algorithm>

#include "base/random.hpp"
#include "layers/attention/self_attention.hpp"
#include "layers/fast_weights/heads.hpp"
#include "layers/fast_weights/minimal.hpp"
#include "layers/fast_weights/ttt.hpp"
#include "layers/losses.hpp"
#include "layers/mlp.hpp"
#include "support/gradcheck.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using Layer = std::function<Var(Ctx&, const Var&)>;

struct Bench {
  ParameterStore store;
  Mesh mesh = Mesh::alone();
  Ctx on(Tape* t) { return {t, tested(), mesh}; }
  void lay_out(DType t = DType::f64) {
    store.lay_out(tested(), mesh, 2, t);
    for (const Parameter& p : store.parameters()) {  // away from the symmetric points of an initialisation
      rewrite(store.value(p), [&](std::int64_t i, double v) { return v + 0.3 * normal(random_key(8, p.name), i); });
    }
  }
  Tensor value(const Layer& layer, const Tensor& x) {
    Ctx c = on(nullptr);
    return layer(c, x).value();
  }
};

// d <layer(x), u> along one random direction for each tensor; `leave_out` names parameters whose use as a constant a
// difference cannot tell.
void expect_layer_gradients(Bench& b, const Layer& layer, const Tensor& x,
                            const std::vector<std::string>& leave_out = {}) {
  const Tensor u = random_tensor(b.value(layer, x).shape(), "u");
  b.store.zero_gradients();
  Tape tape;
  Ctx c = b.on(&tape);
  Tensor dx;
  const Var in = tape.leaf(x, [&dx](const Var& g) { dx = g.value(); });
  tape.backward(layer(c, in), u);
  auto check_tensor = [&](Tensor place, const Tensor& gradient, const std::string& name) {
    const auto start = place.to_doubles();
    const Tensor d = random_tensor(place.shape(), ("direction " + name).c_str());
    const auto along = d.to_doubles();
    const double size = 1 / std::sqrt(inner(d, d));
    auto at = [&](double t) {
      rewrite(place, [&](std::int64_t i, double) { return start[std::size_t(i)] + t * size * along[std::size_t(i)]; });
      return inner(b.value(layer, x), u);
    };
    const double claimed = size * inner(gradient, d);
    EXPECT_TRUE(agrees(slope_at_zero(at), claimed, std::sqrt(inner(u, u)))) << name;
    at(0);
    EXPECT_GT(std::abs(claimed), 0) << name;
  };
  check_tensor(x, dx, "x");
  for (const Parameter& p : b.store.parameters())
    if (std::ranges::find(leave_out, p.name) == leave_out.end())
      check_tensor(b.store.value(p), b.store.gradient(p), p.name);
}

TEST(Layers, AttentionGradients) {
  for (bool norm : {false, true})
    for (bool causal : {false, true}) {
      Bench b;
      const SelfAttention layer(Scope(b.store), 6, {.head_dim = 3, .use_qk_norm = norm, .causal = causal, .bias = true},
                                {});
      b.lay_out();
      expect_layer_gradients(
          b, [&](Ctx& c, const Var& x) { return layer(c, x); }, random_tensor({2, 5, 6}, "x"));
    }
}

TEST(Layers, MlpGradients) {
  Bench b;
  const Mlp layer(Scope(b.store), 6, 1.5, true, {});
  b.lay_out();
  expect_layer_gradients(
      b, [&](Ctx& c, const Var& x) { return layer(c, x); }, random_tensor({2, 5, 6}, "x"));
}

TEST(Layers, TttGradients) {
  for (std::int64_t steps : {0, 2}) {
    Bench b;
    const Ttt layer(Scope(b.store), 6,
                    {.head_dim = 3, .inter_multi = 1.5, .base_lr = 0.1, .muon_update_steps = steps, .bias = true}, {});
    b.lay_out();
    // the fast weights also set the norm targets, which are detached: see fast_weights_test
    const TttPlan plan{
        {TttEvent::update, {0, 5}}, {TttEvent::apply, {0, 3}}, {TttEvent::update, {3, 7}}, {TttEvent::apply, {2, 7}}};
    expect_layer_gradients(b, [&](Ctx& c, const Var& x) { return layer(c, x, plan).y; }, random_tensor({2, 7, 6}, "x"),
                           {"w0", "w1", "w2"});
  }
}

TEST(Layers, MinimalBidirectionalGradients) {
  for (bool muon : {false, true})
    for (bool as_written : {false, true}) {
      Bench b;
      const MinimalConfig cfg{
          .head_dim = 3, .inter_multi = 2, .base_lr = 0.1, .use_muon = muon, .bias = true, .as_written = as_written};
      const MinimalBidirectional layer(Scope(b.store), 6, cfg);
      b.lay_out();

      expect_layer_gradients(
          b, [&](Ctx& c, const Var& x) { return layer(c, x); }, random_tensor({2, 40, 6}, "x"));
    }
}

TEST(Layers, MinimalCausalGradients) {
  for (bool momentum : {false, true}) {
    Bench b;
    const MinimalConfig cfg{.head_dim = 3,
                            .base_lr = 0.1,
                            .use_muon = false,
                            .attn_head_dim = 2,
                            .lact_chunk_size = 3,
                            .window_size = 4,
                            .use_momentum = momentum,
                            .ttt_scale_before_sum = true};
    const MinimalCausal layer(Scope(b.store), 6, cfg);
    b.lay_out();
    expect_layer_gradients(
        b, [&](Ctx& c, const Var& x) { return layer(c, x); }, random_tensor({2, 10, 6}, "x"));
  }
}

TEST(Layers, ACausalLayerDoesNotLookAhead) {
  Bench b;
  const MinimalConfig cfg{.head_dim = 3,
                          .use_muon = true,
                          .attn_head_dim = 2,
                          .lact_chunk_size = 3,
                          .window_size = 4,
                          .use_momentum = true};
  const MinimalCausal layer(Scope(b.store), 6, cfg);
  const SelfAttention attention(Scope(b.store) / "attention", 6, {.head_dim = 3, .causal = true}, {});
  b.lay_out();
  const Tensor x = random_tensor({1, 10, 6}, "x"), other = random_tensor({1, 10, 6}, "other");
  for (std::int64_t kept = 1; kept < 10; ++kept) {
    const Tensor changed = join({Var(x.cut(1, {0, kept})), Var(other.cut(1, {kept, 10}))}, 1).value();
    for (const Layer& f : {Layer([&](Ctx&c, const Var&in) { return layer(c, in); }),
                           Layer([&](Ctx&c, const Var&in) { return attention(c, in); })})
      EXPECT_TRUE(same_bits(b.value(f, changed).cut(1, {0, kept}), b.value(f, x).cut(1, {0, kept}))) << kept;
  }
}

TEST(Layers, ItemsOfABatchDoNotMeet) {
  Bench b;
  const Ttt ttt(Scope(b.store) / "ttt", 6, {.head_dim = 3, .muon_update_steps = 5}, {});
  const MinimalBidirectional minimal(Scope(b.store) / "minimal", 6, {.head_dim = 3});
  const SelfAttention attention(Scope(b.store) / "attention", 6, {.head_dim = 3}, {});
  b.lay_out();
  const Tensor x = random_tensor({3, 7, 6}, "x");
  for (const Layer& f : {Layer([&](Ctx&c, const Var&in) { return ttt(c, in, plan_views(5, 2)).y; }),
                         Layer([&](Ctx&c, const Var&in) { return minimal(c, in); }),
                         Layer([&](Ctx&c, const Var&in) { return attention(c, in); })})
    for (std::int64_t i = 0; i < 3; ++i)
      EXPECT_LE(difference(b.value(f, x).cut(0, {i, i + 1}), b.value(f, x.cut(0, {i, i + 1}))), 1e-12);
}

TEST(Layers, TttGoesOnFromAGivenState) {
  Bench b;
  const Ttt layer(Scope(b.store), 6, {.head_dim = 3, .inter_multi = 2, .muon_update_steps = 5}, {});
  b.lay_out();
  Ctx c = b.on(nullptr);
  const Tensor x = random_tensor({2, 7, 6}, "x");
  const Ttt::Result once = layer(c, x, {{TttEvent::update, {0, 7}}, {TttEvent::apply, {0, 7}}}),
                    first = layer(c, x, {{TttEvent::update, {0, 7}}});
  EXPECT_FALSE(bool(first.y));
  EXPECT_EQ(first.state.w0.shape(), (Shape{4, 3, 6}));
  EXPECT_EQ(first.state.w1.shape(), (Shape{4, 6, 3}));
  EXPECT_TRUE(same_bits(layer(c, x, {{TttEvent::apply, {0, 7}}}, &first.state).y.value(), once.y.value()));
}

TEST(Layers, InverseSoftplus) {
  for (double a : {1e-6, 0.001, 0.01, 1.0, 30.0})
    EXPECT_NEAR(std::log1p(std::exp(inverse_softplus(a))), a, 1e-12 * a + 1e-16);
  EXPECT_NEAR(inverse_softplus(0.01), -4.600166019324897, 1e-14);
}

TEST(Layers, ImpossibleSizesAreOneSentence) {
  ParameterStore store;
  const Scope s(store);
  EXPECT_NE(sentence_of([&] { Ttt(s / "a", 10, {.head_dim = 4}, {}); }).find("head_dim 4"), std::string::npos);
  EXPECT_NE(sentence_of([&] { Ttt(s / "b", 8, {.head_dim = 4, .inter_multi = 0.1}, {}); }).find("inter_multi=0.1"),
            std::string::npos);
  EXPECT_NE(sentence_of([&] { Ttt(s / "c", 8, {.head_dim = 4, .base_lr = 0}, {}); }).find("base_lr=0"),
            std::string::npos);
  EXPECT_NE(
      sentence_of([&] { Ttt(s / "d", 8, {.head_dim = 4, .muon_update_steps = -1}, {}); }).find("muon_update_steps=-1"),
      std::string::npos);
  EXPECT_NE(sentence_of([&] { SelfAttention(s / "e", 10, {.head_dim = 4}, {}); }).find("head_dim 4"),
            std::string::npos);
  EXPECT_NE(sentence_of([&] { SelfAttention(s / "f", 10, {.head_dim = 0}, {}); }).find("head_dim 0"),
            std::string::npos);
  EXPECT_NE(sentence_of([&] { MinimalBidirectional(s / "g", 10, {.head_dim = 4}); }).find("head_dim 4"),
            std::string::npos);
  EXPECT_NE(
      sentence_of([&] { MinimalCausal(s / "h", 8, {.head_dim = 4, .attn_head_dim = 3}); }).find("attn_head_dim 3"),
      std::string::npos);
}

TEST(Losses, CrossEntropyOfRowsThatCount) {
  const std::vector<std::int32_t> wanted{2, -100, 0, 4, -1};
  const Tensor targets = Tensor::of(tested(), {5}, std::span<const std::int32_t>(wanted)),
               x = random_tensor({5, 7}, "logits");
  for (double z : {0.0, 0.1}) {
    const Function f = [&](std::span<const Var> in) {
      return std::vector<Var>{cross_entropy(in[0], targets, 3, z).loss};
    };
    double want = 0;
    for (std::size_t r : {0u, 2u, 3u}) {
      double total = 0;
      for (std::size_t i = 0; i < 7; ++i) total += std::exp(x.to_doubles()[r * 7 + i]);
      want +=
          (std::log(total) - x.to_doubles()[r * 7 + std::size_t(wanted[r])] + z * std::log(total) * std::log(total)) /
          3;
    }
    EXPECT_NEAR(f(constants({x}))[0].value().item(), want, 1e-14);
    expect_gradient(f, {x}, {ones_like(f(constants({x}))[0]).value()}, "cross entropy");
    expect_second_gradient(f, {x}, {ones_like(f(constants({x}))[0]).value()}, "cross entropy");
  }
  EXPECT_THROW(cross_entropy(x, Tensor::of(tested(), {4}, std::span<const std::int32_t>(wanted).subspan(0, 4)), 3),
               Error);
  const std::vector<std::int32_t> beyond{7, 0, 0, 0, 0};
  if (!on_cpu()) {
    const Tensor index = Tensor::of(tested(), {5}, std::span<const std::int32_t>(beyond));
    EXPECT_TRUE(std::isnan(cross_entropy(x, index, 5).loss.value().item()));
    return;
  }
  EXPECT_NE(sentence_of([&] {
              cross_entropy(x, Tensor::of(tested(), {5}, std::span<const std::int32_t>(beyond)), 5);
            }).find("target 7"),
            std::string::npos);
}

}  // namespace
}  // namespace lact
