// The lines of a grid of ranks: which ranks they join, and which axes share one.
#include <gtest/gtest.h>

#include "base/check.hpp"
#include "parallel/mesh.hpp"
#include "support/ranks.hpp"

namespace lact {
namespace {

Device& device() {
  static const auto d = Device::open(Backend::cpu);
  return *d;
}

TEST(Mesh, OneRankHasAllAxes) {
  Mesh mesh = Mesh::alone();
  for (Axis a : {Axis::pp, Axis::dp, Axis::cp, Axis::tp}) {
    EXPECT_EQ(mesh.at(a), 0);
    EXPECT_EQ(mesh.along(a).size(), 1);
  }
  EXPECT_EQ(mesh.along(Axes(Axis::pp) | Axis::dp | Axis::cp | Axis::tp).size(), 1);
  EXPECT_EQ(mesh.along(Axes()).rank(), 0);
  EXPECT_THROW(Mesh(Grid{{1, 2, 1, 1}}, self_communicator()), Error);
}

TEST(Mesh, AxesOfOneRankShareLines) {
  const int n = world().size();
  for (const std::array<int, 4> size : {std::array{1, 1, n, 1}, std::array{1, n, 1, 1}, std::array{1, n / 2, 2, 1}}) {
    if (size[0] * size[1] * size[2] * size[3] != n) continue;
    Mesh mesh(Grid{size}, with_transport(world(), Transport::best, "world"));
    const Axes cp = Axis::cp, both = Axes(Axis::dp) | Axis::cp;
    EXPECT_EQ(mesh.along(cp).size(), size[2]);
    EXPECT_EQ(mesh.along(both).size(), n);
    EXPECT_EQ(mesh.along(cp).label(), size[2] > 1 ? "cp" : "self");
    EXPECT_EQ(&mesh.along(Axes(Axis::tp) | Axis::cp), &mesh.along(cp)) << "tp has one rank";
    EXPECT_EQ(&mesh.along(Axes()), &mesh.along(Axis::tp));
    const bool two = size[1] > 1 && size[2] > 1;
    EXPECT_EQ(mesh.along(both).label(), n == 1 ? "self" : two ? "dp|cp" : size[1] > 1 ? "dp" : "cp");
    EXPECT_EQ(mesh.communicators().size(), n == 1 ? 1u : two ? 4u : 2u);
    const Tensor x = Tensor::of(device(), {1}, std::vector<float>{float(world().rank())});
    mesh.along(both).all_reduce(x).wait();
    EXPECT_EQ(x.item(), n * (n - 1) / 2);
  }
}

}  // namespace
}  // namespace lact
