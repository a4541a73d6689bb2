// The layer of docs/your_own_layer.md computes its formula; tests/models/foreign_task_test.cpp trains it.
#include "docs/gated_unit.hpp"

#include <cmath>

#include "support/gradcheck.hpp"

namespace lact {
namespace {

TEST(GatedUnit, ComputesItsFormula) {
  constexpr std::int64_t rows = 5, dim = 3, hidden = 7;
  ParameterStore store;
  Mesh mesh = Mesh::alone();
  const GatedUnit unit(Scope(store) / "unit", dim, hidden, {.linear = 1, .projection = 1});
  store.lay_out(tested(), mesh, 1, DType::f64);
  const Tensor x = random_tensor({1, rows, dim}, "x");
  Ctx c{nullptr, tested(), mesh};
  const auto y = unit(c, x, TokenCut::whole(rows)).value().to_doubles(), in = x.to_doubles();
  auto weight = [&](const char* name) { return store.value(*store.find(name)).to_doubles(); };
  const auto gate = weight("unit.gate.weight"), up = weight("unit.up.weight"), down = weight("unit.down.weight");
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t o = 0; o < dim; ++o) {
      double want = 0;
      for (std::int64_t h = 0; h < hidden; ++h) {
        double g = 0, u = 0;
        for (std::int64_t i = 0; i < dim; ++i) {
          g += in[std::size_t(r * dim + i)] * gate[std::size_t(h * dim + i)];
          u += in[std::size_t(r * dim + i)] * up[std::size_t(h * dim + i)];
        }
        want += g / (1 + std::exp(-g)) * u * down[std::size_t(o * hidden + h)];
      }
      EXPECT_NEAR(y[std::size_t(r * dim + o)], want, 1e-13) << "sums of 3 and 7 numbers of size 1 in f64";
    }
}

}  // namespace
}  // namespace lact
