// The selective scan of Mamba (docs/math.md, 15.5), f32 and f64, all tensors contiguous. States n of channels d of
// tokens t of samples s:
//   h[t] = exp(delta[t, d] a[d, n]) h[t - 1] + delta[t, d] u[t, d] b[t, n],  y[t, d] = sum over n of c[t, n] h[t, d, n]
#pragma once
#include "kernels/kernel.hpp"

namespace lact::kernels {

constexpr std::int64_t scan_piece = 32;  // tokens between two states that are kept for the gradient

// y, u, delta [s, t, d]; a [d, n]; b and c [s, t, n]. `first` [s, d, n] stands before token 0; undefined: zeros. `last`
// [s, d, n] stands behind the last token, starts [s, pieces, n, d] before each piece of scan_piece tokens.
struct SelectiveScan {
  const Tensor &y, &last, &starts;
  const Tensor &u, &delta, &a, &b, &c, &first;
  auto tensors() const { return std::array{&y, &last, &starts, &u, &delta, &a, &b, &c, &first}; }
};
inline constinit Kernel<void(const SelectiveScan& t)> selective_scan{"selective_scan"};

// Its adjoint; the states within a piece are computed again. dlast may be undefined: zeros. Sums over channels and
// samples run in an order that depends on the shape alone.
struct SelectiveScanGrad {
  const Tensor &du, &ddelta, &da, &db, &dc, &dfirst;
  const Tensor &dy, &dlast;
  const Tensor &u, &delta, &a, &b, &c, &starts;
  auto tensors() const {
    return std::array{&du, &ddelta, &da, &db, &dc, &dfirst, &dy, &dlast, &u, &delta, &a, &b, &c, &starts};
  }
};
inline constinit Kernel<void(const SelectiveScanGrad& t)> selective_scan_grad{"selective_scan_grad"};

}  // namespace lact::kernels
