// Ranks as a grid: arithmetic only.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "parallel/grid.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using Ranks = std::vector<int>;
constexpr Axes all = Axes(Axis::pp) | Axis::dp | Axis::cp | Axis::tp;

TEST(Grid, PlaceAndRankAreInverse) {
  const Grid g{{2, 3, 2, 3}};
  EXPECT_EQ(g.ranks(), 36);
  std::set<std::array<int, 4>> places;
  for (int r = 0; r < g.ranks(); ++r) {
    EXPECT_EQ(g.rank_at(g.place(r)), r);
    places.insert(g.place(r));
    for (std::size_t a = 0; a < 4; ++a) EXPECT_TRUE(g.place(r)[a] >= 0 && g.place(r)[a] < g.size[a]);
  }
  EXPECT_EQ(places.size(), 36u);
  EXPECT_EQ(g.place(0), (std::array<int, 4>{0, 0, 0, 0}));
  EXPECT_EQ(g.place(1), (std::array<int, 4>{0, 0, 0, 1})) << "tensor neighbours stand side by side";
  EXPECT_EQ(g.place(35), (std::array<int, 4>{1, 2, 1, 2}));
}

TEST(Grid, LinesAlongAnyAxes) {
  const Grid g{{1, 2, 3, 2}};  // rank = (dp * 3 + cp) * 2 + tp
  EXPECT_EQ(g.line(0, Axis::tp), (Ranks{0, 1}));
  EXPECT_EQ(g.line(3, Axis::tp), (Ranks{2, 3}));
  EXPECT_EQ(g.line(3, Axis::cp), (Ranks{1, 3, 5}));
  EXPECT_EQ(g.line(3, Axis::dp), (Ranks{3, 9}));
  EXPECT_EQ(g.line(3, Axis::pp), (Ranks{3}));
  EXPECT_EQ(g.line(3, Axes(Axis::dp) | Axis::cp), (Ranks{1, 3, 5, 7, 9, 11}));
  EXPECT_EQ(g.line(7, Axes()), (Ranks{7}));
}

TEST(Grid, TheLinesOfEveryAxisSetShareOutAllRanks) {
  const Grid g{{2, 2, 3, 1}};
  for (unsigned bits = 0; bits < 16; ++bits) {
    Axes axes;
    axes.bits = std::uint8_t(bits);
    std::size_t length = 1;
    for (std::size_t a = 0; a < 4; ++a)
      if (axes.has(Axis(a))) length *= std::size_t(g.size[a]);
    std::set<int> seen;
    for (int r = 0; r < g.ranks(); ++r) {
      const Ranks line = g.line(r, axes);
      EXPECT_EQ(line.size(), length);
      EXPECT_TRUE(std::ranges::is_sorted(line) && std::ranges::count(line, r) == 1);
      for (int other : line) EXPECT_EQ(g.line(other, axes), line) << "all members see one line";
      if (line.front() == r) seen.insert(line.begin(), line.end());
    }
    EXPECT_EQ(seen.size(), std::size_t(g.ranks()));
  }
  EXPECT_EQ(g.line(5, all).size(), 12u);
}

TEST(Grid, DataTakesTheRanksThatAreLeft) {
  EXPECT_EQ(Grid::of(12, 1, 0, 3, 2).size, (std::array<int, 4>{1, 2, 3, 2}));
  EXPECT_EQ(Grid::of(1, 1, 0, 1, 1).size, (std::array<int, 4>{1, 1, 1, 1}));
  EXPECT_EQ(Grid::of(8, 2, 4, 1, 1).size, (std::array<int, 4>{2, 4, 1, 1}));
}

TEST(Grid, ImpossibleGridsNameTheNumbers) {
  for (auto make :
       {+[] { Grid::of(4, 1, 0, 3, 1); }, +[] { Grid::of(4, 1, 3, 1, 1); }, +[] { Grid::of(1, 1, 0, 0, 1); },
        +[] { Grid::of(1, 0, 1, 1, 1); }, +[] { Grid::of(1, 1, -1, 1, 1); }, +[] { Grid::of(1, 1, 1, 1, 2); }}) {
    const std::string said = sentence_of(make);
    EXPECT_TRUE(said.starts_with("parallel.pp=")) << said;
  }
}

TEST(Grid, AxesHaveTheirUsualNames) {
  EXPECT_STREQ(name_of(Axis::pp), "pp");
  EXPECT_STREQ(name_of(Axis::dp), "dp");
  EXPECT_STREQ(name_of(Axis::cp), "cp");
  EXPECT_STREQ(name_of(Axis::tp), "tp");
  EXPECT_TRUE((Axes(Axis::dp) | Axis::cp) == (Axes(Axis::cp) | Axis::dp));
}

}  // namespace
}  // namespace lact
