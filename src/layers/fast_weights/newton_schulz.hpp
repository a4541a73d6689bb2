// Approximate orthogonalisation of each matrix of a batch by a quintic Newton-Schulz iteration (Jordan et al. 2024,
// "Muon"; docs/math.md, 4.5). Differentiable through everything, the Frobenius norm included.
#pragma once
#include <array>
#include <vector>

#include "autograd/ops.hpp"

namespace lact {

struct NewtonSchulz {
  using Step = std::array<double, 3>;  // X <- a X + (b A + c A A) X with A = X X^T
  std::vector<Step> steps;             // none: the matrix divided by its Frobenius norm
  bool low = false;                    // products of bf16 numbers with f32 sums; the result has x's type

  static NewtonSchulz view_synthesis(std::int64_t steps);  // 3.4445, -4.7750, 2.0315 in every step; also used for video
  static NewtonSchulz language();                          // five steps with constants of their own
  // x [b, m, n] -> [b, m, n]. Divides by (norm + 1e-7), so a zero matrix stays zero. Works on the smaller side.
  Var operator()(const Var& x) const;
};

}  // namespace lact
