// Parameters: names, places, initial numbers, gradients, the optimizer's pieces.
#include "base/random.hpp"
#include "layers/linear.hpp"
#include "optim/adamw.hpp"
#include "optim/reducer.hpp"
#include "support/gradcheck.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

struct Store {
  ParameterStore store;
  Mesh mesh = Mesh::alone();
  Ctx on(Tape* t) { return {t, tested(), mesh}; }
};

TEST(Parameters, NamesAreDotted) {
  ParameterStore store;
  const Scope block = Scope(store) / "blocks" / "3";
  EXPECT_EQ(block.parameter("w0", {2, 3}, constant(0)).name, "blocks.3.w0");
  EXPECT_EQ((block / "f").parameter("weight", {2}, constant(0)).name, "blocks.3.f.weight");
  EXPECT_EQ(Scope(store).parameter("top", {2}, constant(0)).name, "top");
  EXPECT_EQ(store.count(), 6 + 2 + 2);
  EXPECT_EQ(store.find("blocks.3.w0")->shape, (Shape{2, 3}));
  EXPECT_EQ(store.find("blocks.3"), nullptr);
  EXPECT_NE(sentence_of([&] { block.parameter("w0", {1}, constant(0)); }).find("'blocks.3.w0'"), std::string::npos);
}

TEST(Parameters, PlacesAreApartAlignedAndPaddedWithZeros) {
  Store s;
  for (std::int64_t n : {1, 17, 16, 3, 64}) Scope(s.store).parameter("p" + std::to_string(n), {n}, constant(1));
  s.store.lay_out(tested(), s.mesh, 0);
  ASSERT_EQ(s.store.buckets().size(), 1u);
  const Tensor flat = s.store.buckets()[0].value;
  EXPECT_EQ(flat.count() % 64, 0);
  std::int64_t end = 0;
  for (const Parameter& p : s.store.parameters()) {
    EXPECT_GE(p.range.begin, end);
    EXPECT_EQ(p.range.begin % 16, 0) << "a cache line";
    EXPECT_EQ(p.range.size(), p.count());
    end = p.range.end;
  }
  double ones = 0;
  for (double x : flat.to_doubles()) ones += x;
  EXPECT_EQ(ones, double(s.store.count()));
}

TEST(Parameters, OneBucketPerReplicationSet) {
  Store s;
  Parameter cut;
  cut.name = "cut", cut.shape = {4, 4}, cut.init = constant(1), cut.replicated_on = Axes(Axis::dp) | Axis::cp;
  s.store.add(cut);
  Scope(s.store).parameter("whole", {5}, constant(2));
  s.store.lay_out(tested(), s.mesh, 0);
  ASSERT_EQ(s.store.buckets().size(), 2u);
  EXPECT_EQ(s.store.value(*s.store.find("whole")).to_doubles(), std::vector<double>(5, 2));
  EXPECT_NE(s.store.find("cut")->bucket, s.store.find("whole")->bucket);
}

TEST(Parameters, NumbersDependOnSeedAndNameOnly) {
  auto numbers = [](std::uint64_t seed, bool more, DType t, const std::string& name = "w") {
    Store s;
    if (more) Scope(s.store).parameter("before", {7}, gaussian(1));
    const Parameter& p = Scope(s.store).parameter(name, {6, 5}, gaussian(0.5));
    s.store.lay_out(tested(), s.mesh, seed, t);
    return s.store.value(p).to_doubles();
  };
  const auto w = numbers(3, false, DType::f32);
  EXPECT_EQ(numbers(3, true, DType::f32), w);
  EXPECT_NE(numbers(4, false, DType::f32), w);
  EXPECT_NE(numbers(3, false, DType::f32, "v"), w);
  const auto exact = numbers(3, false, DType::f64);
  for (std::size_t i = 0; i < w.size(); ++i) EXPECT_EQ(double(float(exact[i])), w[i]);
}

TEST(Parameters, InitialDistributions) {
  const std::int64_t n = 40000;
  const auto key = random_key(1, "numbers");
  double sum = 0, squares = 0, low = 0, high = 0, uniform_squares = 0;
  const Init normal_numbers = gaussian(0.02), uniform_numbers = uniform_within(0.3);
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = normal_numbers(key, i), u = uniform_numbers(key, i);
    sum += x, squares += x * x;
    low = std::min(low, u), high = std::max(high, u), uniform_squares += u * u;
  }
  // four standard errors: of a mean s / sqrt(n), of a mean square s^2 sqrt(2 / n); for uniform numbers b^2 / 3 and its
  // spread
  EXPECT_NEAR(sum / double(n), 0, 4 * 0.02 / std::sqrt(double(n)));
  EXPECT_NEAR(squares / double(n), 4e-4, 4 * 4e-4 * std::sqrt(2 / double(n)));
  EXPECT_NEAR(uniform_squares / double(n), 0.03, 4 * 0.09 * std::sqrt(4.0 / 45 / double(n)));
  EXPECT_TRUE(low >= -0.3 && low < -0.299 && high < 0.3 && high > 0.299);
  EXPECT_EQ(constant(7)(key, 123), 7);
}

TEST(Parameters, EveryUseAddsToTheGradient) {
  Store s;
  const Parameter& p = Scope(s.store).parameter("w", {3}, constant(2));
  s.store.lay_out(tested(), s.mesh, 0);
  for (int pass = 1; pass <= 2; ++pass) {
    Tape tape;
    Ctx c = s.on(&tape);
    const Var a = use(c, p), b = use(c, p);
    const Var y = add(scale(a, 10), mul(b, b));
    tape.backward(y, ones_like(y));
    EXPECT_EQ(s.store.gradient(p).to_doubles(), std::vector<double>(3, pass * 14.0));
  }
  s.store.zero_gradients();
  EXPECT_EQ(largest(s.store.gradient(p).to_doubles()), 0);
  Ctx plain = s.on(nullptr);
  EXPECT_EQ(use(plain, p).tape(), nullptr);
  EXPECT_EQ(use(plain, p).value().raw(), s.store.value(p).raw()) << "no copy";
}

TEST(Parameters, AnUnusedOneKeepsItsZeroGradient) {
  Store s;
  const Parameter &p = Scope(s.store).parameter("p", {3}, constant(2)),
                  &q = Scope(s.store).parameter("q", {3}, constant(2));
  s.store.lay_out(tested(), s.mesh, 0);
  Tape tape;
  Ctx c = s.on(&tape);
  use(c, p);
  const Var y = use(c, q);
  tape.backward(y, ones_like(y));
  EXPECT_EQ(largest(s.store.gradient(p).to_doubles()), 0);
  EXPECT_EQ(s.store.gradient(q).to_doubles(), std::vector<double>(3, 1));
}

TEST(Parameters, GradientNormCountsEachNumberOnce) {
  Store s;
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
  Store s;
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

TEST(Parameters, ALinearLayerOfManyDims) {
  Store s;
  const Linear layer(Scope(s.store) / "l", 5, 3, gaussian(1), true);
  s.store.lay_out(tested(), s.mesh, 1);
  Ctx c = s.on(nullptr);
  EXPECT_EQ(layer(c, random_tensor({2, 0, 5}, "none", DType::f32)).shape(), (Shape{2, 0, 3}));
  EXPECT_EQ(layer(c, random_tensor({2, 4, 5}, "x", DType::f32)).shape(), (Shape{2, 4, 3}));
  EXPECT_EQ(s.store.find("l.bias")->decays(), false);
  EXPECT_EQ(s.store.find("l.weight")->decays(), true);
  EXPECT_THROW(layer(c, random_tensor({2, 4, 6}, "x", DType::f32)), Error);
}

}  // namespace
}  // namespace lact
