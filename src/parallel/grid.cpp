#include "parallel/grid.hpp"

#include "base/check.hpp"

namespace lact {

const char* name_of(Axis a) {
  constexpr std::array names{"pp", "dp", "cp", "tp"};
  return names[std::size_t(a)];
}

std::array<int, 4> Grid::place(int rank) const {
  std::array<int, 4> p{};
  for (std::size_t a = 4; a-- > 0; rank /= size[a]) p[a] = rank % size[a];
  return p;
}

int Grid::rank_at(const std::array<int, 4>& place) const {
  int rank = 0;
  for (std::size_t a = 0; a < 4; ++a) rank = rank * size[a] + place[a];
  return rank;
}

std::vector<int> Grid::line(int rank, Axes along) const {
  std::vector<int> out;
  auto mine = place(rank);
  for (int r = 0; r < ranks(); ++r) {
    auto other = place(r);
    bool same = true;
    for (std::size_t a = 0; a < 4; ++a) same = same && (along.has(Axis(a)) || other[a] == mine[a]);
    if (same) out.push_back(r);
  }
  return out;
}

Grid Grid::of(int ranks, int pp, int dp, int cp, int tp) {
  check(pp > 0 && cp > 0 && tp > 0 && dp >= 0, "parallel.pp={} dp={} cp={} tp={}: every axis needs at least one rank",
        pp, dp, cp, tp);
  std::int64_t others = std::int64_t(pp) * cp * tp;
  if (dp == 0) {
    check(ranks % others == 0, "parallel.pp={} cp={} tp={} need a multiple of {} ranks, and there are {}", pp, cp, tp,
          others, ranks);
    dp = int(ranks / others);
  }
  check(others * dp == ranks, "parallel.pp={} dp={} cp={} tp={} make {} ranks, and there are {}", pp, dp, cp, tp,
        others * dp, ranks);
  return {{pp, dp, cp, tp}};
}

}  // namespace lact
