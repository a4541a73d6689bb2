// Ranks on paper: where they stand in a grid, and what their links cost.
#include <gtest/gtest.h>

#include "parallel/simulated/paper_ranks.hpp"

namespace lact {
namespace {

constexpr PaperRates rates{.product = 1e9, .attention = 5e8, .memory = 1e9, .call = 1e-6};

TEST(PaperRanks, ALinkBesideComputeHidesUnderIt) {
  for (bool beside : {false, true}) {
    PaperDevice paper(rates);
    Mesh mesh = mesh_on_paper(Grid{{1, 2, 1, 1}}, 1, [&](Axes) {
      return PaperLink{.latency = 1, .bandwidth = 1e3, .beside_compute = beside};
    });
    Communicator& dp = mesh.along(Axis::dp);
    const Tensor x = Tensor::empty(paper, {500});
    Work sum = dp.all_reduce(x);  // two steps, 2 kB through this rank: 4 seconds
    const double begun = paper.seconds();
    paper.charge(PaperDevice::Work::elements, "work", 0, 3e9);
    sum.wait();
    EXPECT_NEAR(begun, beside ? 0 : 4, 1e-9);
    EXPECT_NEAR(paper.seconds(), beside ? 4 : 7, 1e-5);
    EXPECT_NEAR(paper.tally().at(paper_line("dp")).seconds, beside ? 1 : 4, 1e-5);
    EXPECT_EQ(dp.traffic().of(Op::all_reduce).bytes, 2000);
  }
}

TEST(PaperRanks, EveryRankOfAGridHasItsPlace) {
  const Grid grid{{2, 1, 3, 2}};
  PaperDevice paper(rates);
  for (int rank = 0; rank < grid.ranks(); ++rank) {
    Mesh mesh = mesh_on_paper(grid, rank, [](Axes) { return PaperLink{}; });
    for (Axis a : {Axis::pp, Axis::dp, Axis::cp, Axis::tp}) {
      EXPECT_EQ(mesh.at(a), grid.place(rank)[std::size_t(a)]);
      EXPECT_EQ(mesh.along(a).size(), grid.size[std::size_t(a)]);
      EXPECT_EQ(mesh.along(a).rank(), mesh.at(a));
    }
    EXPECT_EQ(mesh.world().rank(), rank);
  }
}

}  // namespace
}  // namespace lact
