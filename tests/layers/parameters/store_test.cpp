// The parameters of a model: places, initial numbers, gradients.
#include "layers/parameters/scope.hpp"
#include "support/layer_bench.hpp"

namespace lact {
namespace {

TEST(ParameterStore, PlacesAreApartAlignedAndPaddedWithZeros) {
  Bench s;
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

TEST(ParameterStore, OneBucketPerReplicationSet) {
  Bench s;
  Parameter cut;
  cut.name = "cut", cut.shape = {4, 4}, cut.init = constant(1), cut.replicated_on = Axes(Axis::dp) | Axis::cp;
  s.store.add(cut);
  Scope(s.store).parameter("whole", {5}, constant(2));
  s.store.lay_out(tested(), s.mesh, 0);
  ASSERT_EQ(s.store.buckets().size(), 2u);
  EXPECT_EQ(s.store.value(*s.store.find("whole")).to_doubles(), std::vector<double>(5, 2));
  EXPECT_NE(s.store.find("cut")->bucket, s.store.find("whole")->bucket);
}

TEST(ParameterStore, NumbersDependOnSeedAndNameOnly) {
  auto numbers = [](std::uint64_t seed, bool more, DType t, const std::string& name = "w") {
    Bench s;
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

TEST(ParameterStore, EveryUseAddsToTheGradient) {
  Bench s;
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

TEST(ParameterStore, AnUnusedOneKeepsItsZeroGradient) {
  Bench s;
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

}  // namespace
}  // namespace lact
