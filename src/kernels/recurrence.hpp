// What the chunk-parallel forms of linear recurrences are made of (docs/math.md, 15.2). f32 and f64; all tensors are
// contiguous.
#pragma once
#include "kernels/kernel.hpp"

namespace lact::kernels {

// y[i] = decay[i] y[i - 1] + x[i] along dim 1, where y[-1] = 0; `backwards` is its adjoint, y[i] = decay[i + 1] y[i +
// 1]
// + x[i] from the end. x and y [b, n, m]; decay [b, n, r], each number for m / r neighbours; undefined: 1.
inline constinit Kernel<void(Tensor y, const Tensor& x, const Tensor& decay, bool backwards)> linear_scan{
    "linear_scan"};

constexpr std::int64_t longest_piece = 64;  // tokens whose scores decay pair by pair

// y[t, s] = sum over c of q[t, c] k[s, c] exp(sum over s < r <= t of g[r, c]), s <= t; 0 above the diagonal.
// q, k, g [b, n, d], y [b, n, n]. No exponent is a difference, so gates of any strength keep all digits.
inline constinit Kernel<void(Tensor y, const Tensor& q, const Tensor& k, const Tensor& g)> decayed_scores{
    "decayed_scores"};

struct DecayedScoresGrad {
  const Tensor &dq, &dk, &dg;
  const Tensor &dy, &q, &k, &g;
  auto tensors() const { return std::array{&dq, &dk, &dg, &dy, &q, &k, &g}; }
};
inline constinit Kernel<void(const DecayedScoresGrad& t)> decayed_scores_grad{"decayed_scores_grad"};

// y = x with the rows of dim 1 from the last to the first; [b, n, ...] of any type.
inline constinit Kernel<void(Tensor y, const Tensor& x)> reverse_rows{"reverse_rows"};

// y = x where column <= row + diagonal, else 0, of every matrix of [b, m, n].
inline constinit Kernel<void(Tensor y, const Tensor& x, std::int64_t diagonal)> lower_triangle{"lower_triangle"};

// y = (I + the part of x below the diagonal)^-1 of every matrix of [b, n, n], by forward substitution.
inline constinit Kernel<void(Tensor y, const Tensor& x)> unit_lower_inverse{"unit_lower_inverse"};

}  // namespace lact::kernels
