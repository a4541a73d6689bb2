// The pullback of every collective is its exact transpose: sum over ranks <C x, z> = sum over ranks <x, C* z>, and the
// pullback of the pullback is the collective again. On all ranks that were started, with uneven and empty parts.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "autograd/collectives.hpp"
#include "autograd/ops.hpp"
#include "base/random.hpp"
#include "support/ranks.hpp"

namespace lact {
namespace {

using Counts = std::vector<std::int64_t>;
using Vars = std::vector<Var>;

Device& device() {  // all ranks ask for it together at first
  static const auto d = [] {
    auto mine = device_of_rank(tested_backend());
    world().meet_on(*mine);
    return mine;
  }();
  return *d;
}
Tensor random_of(const Shape& s, const std::string& name) {  // different on every rank
  const auto key = random_key(std::uint64_t(world().rank()), name);
  std::vector<double> v;
  for (std::int64_t i = 0; i < count_of(s); ++i) v.push_back(normal(key, i));
  return Tensor::of(device(), s, std::span<const double>(v), DType::f64);
}
Counts uneven(std::int64_t factor = 1) {
  Counts c;
  for (int r = 0; r < world().size(); ++r) c.push_back(r == 1 ? 0 : factor * (2 + 3 * r));
  return c;
}
std::int64_t mine(const Counts& c) { return c[std::size_t(world().rank())]; }
std::int64_t total(const Counts& c) { return std::accumulate(c.begin(), c.end(), std::int64_t(0)); }

struct Inner {  // sum over ranks of <a, b>, and of the absolute terms
  double sum = 0, terms = 0;
};
Inner inner(const Vars& a, const Vars& b) {
  std::vector<double> s{0, 0};
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = a[i].value().to_doubles(), y = b[i].value().to_doubles();
    EXPECT_EQ(text_of(a[i].shape()), text_of(b[i].shape()));
    for (std::size_t k = 0; k < std::min(x.size(), y.size()); ++k) s[0] += x[k] * y[k], s[1] += std::abs(x[k] * y[k]);
  }
  const Tensor t = Tensor::of(device(), {2}, std::span<const double>(s), DType::f64);
  world().all_reduce(t).wait();
  const auto all = t.to_doubles();
  return {all[0], all[1]};
}
// Two sums of the same terms in different orders; 100 for the sums inside the collectives.
void expect_equal(const Inner& a, const Inner& b, const std::string& what) {
  EXPECT_NEAR(a.sum, b.sum, 100 * 2.3e-16 * (a.terms + b.terms)) << what;
}

using Collective = std::function<Vars(const Vars&)>;

Vars zeros_where_empty(Vars g, const Vars& x) {
  for (std::size_t i = 0; i < g.size(); ++i)
    if (!g[i]) g[i] = Tensor::zeros(device(), x[i].shape(), DType::f64);
  return g;
}

void expect_adjoint(const std::string& what, const std::vector<Shape>& shapes, const Collective& f) {
  Tape tape(what);
  Vars x, z, w;
  for (std::size_t i = 0; i < shapes.size(); ++i) x.push_back(tape.leaf(random_of(shapes[i], what + " x")));
  const Vars y = f(x);
  for (const Var& each : y) z.push_back(tape.leaf(random_of(each.shape(), what + " z")));
  for (int pass = 0; pass < 2; ++pass)  // the tape stays, so it may be walked again
    expect_equal(inner(y, z), inner(x, zeros_where_empty(tape.grad(y, x, z), x)), what);
  // The pullback of the pullback: d <C* z, w> / dz = C w.
  for (const Var& each : x) w.push_back(random_of(each.shape(), what + " w"));
  const Vars pulled = tape.grad(y, x, z, true);
  Vars found, along;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (pulled[i]) found.push_back(pulled[i]), along.push_back(w[i]);
  const Vars again = zeros_where_empty(tape.grad(found, z, along), z), wanted = f(w);
  for (std::size_t i = 0; i < z.size(); ++i) {
    const auto a = again[i].value().to_doubles(), b = wanted[i].value().to_doubles();
    ASSERT_EQ(a.size(), b.size()) << what;
    for (std::size_t k = 0; k < a.size(); ++k) ASSERT_NEAR(a[k], b[k], 1e-13 * (1 + std::abs(b[k]))) << what;
  }
}

TEST(Adjoint, SumIsItsOwn) {
  expect_adjoint("sum", {{3, 5}}, [](const Vars& x) { return Vars{sum_over(x[0], world())}; });
  expect_adjoint("sum of nothing", {{0, 5}}, [](const Vars& x) { return Vars{sum_over(x[0], world())}; });
}

TEST(Adjoint, GatherAndScatterSumAreEachOthers) {
  const std::int64_t n = world().size();
  for (int dim : {0, 1, 2, -1}) {
    Shape even{3, 4, 5}, part{3, 4, 5}, whole{3, 4, 5}, much{3, 4, 5};
    const auto d = std::size_t(dim < 0 ? dim + 3 : dim);
    part[d] = mine(uneven()), whole[d] = total(uneven()), much[d] *= n;
    const std::string name = " along " + std::to_string(dim);
    expect_adjoint("gather" + name, {even}, [&](const Vars& x) { return Vars{gather(x[0], dim, world())}; });
    expect_adjoint("uneven gather" + name, {part},
                   [&](const Vars& x) { return Vars{gather(x[0], dim, world(), uneven())}; });
    expect_adjoint("scatter" + name, {much}, [&](const Vars& x) { return Vars{scatter_sum(x[0], dim, world())}; });
    expect_adjoint("uneven scatter" + name, {whole},
                   [&](const Vars& x) { return Vars{scatter_sum(x[0], dim, world(), uneven())}; });
  }
}

TEST(Adjoint, AllToAllIsUndoneByItsInverse) {
  const std::int64_t n = world().size();
  const Counts heads = uneven(), tokens = uneven(2);
  auto even = [](const Vars& x) { return Vars{all_to_all(x[0], 2, 1, world())}; };
  auto of_counts = [&](const Vars& x) { return Vars{all_to_all(x[0], 2, -3, world(), heads, tokens)}; };
  expect_adjoint("all_to_all", {{2, 3, 4 * n, 5}}, even);
  expect_adjoint("uneven all_to_all", {{2, mine(tokens), total(heads), 5}}, of_counts);
  const Var x = random_of({2, mine(tokens), total(heads), 5}, "there and back");
  const Var there = of_counts({x})[0];
  EXPECT_EQ(there.shape(), (Shape{2, total(tokens), mine(heads), 5}));
  const Var back = all_to_all(there, 1, 2, world(), tokens, heads);
  EXPECT_EQ(back.value().to_doubles(), x.value().to_doubles());
}

TEST(Adjoint, ExchangeBringsBackWhatItSent) {
  // A halo to the next rank, twice its width to the one before; the ends of the chain have one neighbour.
  const int n = world().size(), me = world().rank();
  auto halo = [&](const Vars& x) {
    std::vector<Sent> sent;
    std::vector<Wanted> wanted;
    if (me + 1 < n) sent.push_back({cut(x[0], 0, {4, 6}), me + 1}), wanted.push_back({{4, 3}, me + 1});
    if (me > 0) sent.push_back({cut(x[0], 0, {0, 4}), me - 1}), wanted.push_back({{2, 3}, me - 1});
    return exchange(x[0], sent, wanted, world());
  };
  expect_adjoint("halo", {{6, 3}}, halo);
  // Only rank 0 sends, only the last receives; the empty result that closes an exchange keeps its place on the others.
  auto one_way = [&](const Vars& x) {
    const std::vector<Sent> sent{{x[0], n - 1}};
    const std::vector<Wanted> wanted{{{2, 2}, 0}};
    return finish_all(
        begin_exchange(x[0], std::span(sent).first(me == 0), std::span(wanted).first(me == n - 1), world()));
  };
  expect_adjoint("one way", {{2, 2}}, one_way);
}

TEST(Adjoint, PairsOverlapWithWorkAndWithEachOther) {
  const Counts counts = uneven();
  const Shape whole{2, total(counts), 3};
  expect_adjoint("pairs", {{2, mine(counts), 3}, whole}, [&](const Vars& x) {
    InFlight gathered = begin_gather(x[0], 1, world(), counts);
    InFlight sum = begin_sum(scale(x[1], 2), world());
    dawdle(world());
    const Var between = scale(x[1], 3);
    InFlight part = begin_scatter_sum(between, 1, world(), counts);
    const Var all = finish(sum);
    const Var mixed = add(finish(gathered), add(all, between));
    return Vars{mixed, finish(part)};
  });
}

// A rank whose loss does not depend on a collective feeds it a zero: without that the others would wait for ever.
TEST(Adjoint, RanksWithoutACotangentFeedZeros) {
  const int n = world().size(), me = world().rank();
  for (int fed = 0; fed < n; ++fed) {
    Tape tape;
    Tensor gradient;
    const Var x = tape.leaf(random_of({2, 3}, "x"), [&](const Var& g) { gradient = g.value(); });
    const Var part = scatter_sum(gather(sum_over(x, world()), 0, world()), 0, world());
    if (me == fed) {
      tape.backward(part, ones_like(part));
    } else {
      const Var other = square(tape.leaf(random_of({1}, "other")));
      tape.backward(other, ones_like(other));
    }
    // every rank gathers the sums and hands its copy of a part to its owner: n times the sum, of which each x is a term
    ASSERT_TRUE(gradient.defined());
    const auto g = gradient.to_doubles();
    for (double v : g) EXPECT_EQ(v, double(n)) << "fed by rank " << fed;
  }
}

TEST(Adjoint, Bf16ValuesTravelAsTheyAreAndTheirGradientsInF32) {
  const std::int64_t n = world().size();
  Tape tape;
  const Var x = tape.leaf(random_of({3, 2}, "x"));
  const Var half = cast(x, DType::bf16);
  world().reset_traffic();
  const Var y = gather(half, 0, world());
  EXPECT_EQ(y.value().dtype(), DType::bf16);
  EXPECT_EQ(world().traffic().of(Op::all_gather).bytes, 6 * 2 * (n - 1));
  const Var dy = cast(Tensor::of(device(), {3 * n, 2}, std::vector<float>(std::size_t(6 * n), 1.5f)), DType::bf16);
  const Var g = tape.grad(y, std::span(&x, 1), dy)[0];
  EXPECT_EQ(g.value().dtype(), DType::f64);
  for (double v : g.value().to_doubles()) EXPECT_EQ(v, 1.5 * double(n));
  if (n > 1) {
    EXPECT_EQ(world().traffic().of(Op::reduce_scatter).bytes, 6 * 4 * (n - 1));
  }
}

}  // namespace
}  // namespace lact
