#include "layers/fast_weights/share_units.hpp"

#include <algorithm>
#include <numeric>

#include "base/check.hpp"

namespace lact {

double OrthogonalUnit::cost() const {
  auto m = double(std::min(rows, columns)), n = double(std::max(rows, columns));
  return 4 * m * m * n + 2 * m * m * m;
}

std::vector<int> share_units(std::span<const OrthogonalUnit> units, int ranks) {
  check(ranks > 0, "{} matrices shared over {} ranks", units.size(), ranks);
  std::vector<std::size_t> order(units.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t u) { return units[u].cost(); });
  std::vector<double> work(static_cast<std::size_t>(ranks));
  std::vector<int> owner(units.size());
  for (std::size_t u : order) {
    auto least = std::ranges::min_element(work);  // the first of equals
    *least += units[u].cost();
    owner[u] = int(least - work.begin());
  }
  return owner;
}

std::vector<double> work_of_ranks(std::span<const OrthogonalUnit> units, std::span<const int> owner, int ranks) {
  std::vector<double> work(static_cast<std::size_t>(ranks));
  for (std::size_t u = 0; u < units.size(); ++u) work[std::size_t(owner[u])] += units[u].cost();
  return work;
}

}  // namespace lact
