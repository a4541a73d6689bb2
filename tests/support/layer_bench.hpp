// A layer with its parameters on one rank, in f64, and its gradients judged by differences.
#pragma once
#include <algorithm>

#include "base/random.hpp"
#include "layers/parameters/store.hpp"
#include "support/gradcheck.hpp"

namespace lact {

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
inline void expect_layer_gradients(Bench& b, const Layer& layer, const Tensor& x,
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

// What follows a token changes nothing that a causal layer says of it or of those before: to the last bit.
inline void expect_no_look_ahead(Bench& b, const Layer& f, std::int64_t dim) {
  const Tensor x = random_tensor({1, 10, dim}, "x"), other = random_tensor({1, 10, dim}, "other");
  for (std::int64_t kept = 1; kept < 10; ++kept) {
    const Tensor changed = join({Var(x.cut(1, {0, kept})), Var(other.cut(1, {kept, 10}))}, 1).value();
    EXPECT_TRUE(same_bits(b.value(f, changed).cut(1, {0, kept}), b.value(f, x).cut(1, {0, kept}))) << kept;
  }
}

inline void expect_items_apart(Bench& b, const Layer& f, std::int64_t dim) {
  const Tensor x = random_tensor({3, 7, dim}, "x");
  for (std::int64_t i = 0; i < 3; ++i)
    EXPECT_LE(difference(b.value(f, x).cut(0, {i, i + 1}), b.value(f, x.cut(0, {i, i + 1}))), 1e-12);
}

}  // namespace lact
