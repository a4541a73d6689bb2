// Which rank orthogonalises which matrix. After the sum of G every rank of cp (and tp) would do the same work; shared,
// each matrix has one owner. Arithmetic only.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace lact {

struct OrthogonalUnit {  // a matrix that is orthogonalised as a whole: W0, or [W0; W2] in the fused form
  std::int64_t rows = 0, columns = 0;
  // Operations of one Newton-Schulz step on the smaller side m: Gram and product 4 m^2 n, square of the Gram 2 m^3.
  double cost() const;
};

// The owner of each unit: largest first, always to the rank with the least work so far, so the busiest rank has at most
// 4/3 of the best possible (Graham 1969). The same answer on every rank.
//   view synthesis, W0 W1 W2 of one head:  1 rank 0 0 0, 2 ranks 0 1 0, 3 ranks 0 1 2, 5 ranks 0 1 2
std::vector<int> share_units(std::span<const OrthogonalUnit> units, int ranks);
// Work of each rank under that sharing.
std::vector<double> work_of_ranks(std::span<const OrthogonalUnit> units, std::span<const int> owner, int ranks);

}  // namespace lact
