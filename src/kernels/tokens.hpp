// Tokens of text: the rows of a table by their numbers, and rotary positions.
#pragma once
#include "kernels/kernel.hpp"

namespace lact::kernels {

// y [rows, d] = table[index[row]], zeros where the index is negative; table [n, d] contiguous, index [rows] i32. An
// index beyond the table is an error, or NaN where it lies on a device that the host does not wait for.
inline constinit Kernel<void(Tensor y, const Tensor& table, const Tensor& index)> embedding{"embedding"};
// Its adjoint: each row of dtable [n, d] is the sum, in their order, of the rows of dy [rows, d] that have its index.
inline constinit Kernel<void(Tensor dtable, const Tensor& dy, const Tensor& index)> embedding_grad{"embedding_grad"};

// y = x - first where x is one of the n numbers from first on, else -1: the rows of a table of which a rank holds a
// part. All i32, contiguous.
inline constinit Kernel<void(Tensor y, const Tensor& x, std::int64_t first, std::int64_t n)> within{"within"};

// y [t] i32 = (first + i) mod period.
inline constinit Kernel<void(Tensor y, std::int64_t first, std::int64_t period)> positions{"positions"};

// Rotary positions (Su et al. 2021, arXiv 2104.09864; docs/math.md, 3.1).
struct Rope {
  double theta = 10000;      // the base: pair i of d channels turns by position theta^(-2 i / d)
  bool interleaved = false;  // the pairs are (2 i, 2 i + 1), otherwise (i, i + d / 2)
};
// y = x with each pair of channels turned by its angle, or back; x [b, h, t, d] any view whose last stride is 1, y
// contiguous, places [t] i32: the positions.
inline constinit Kernel<void(Tensor y, const Tensor& x, const Tensor& places, Rope rope, bool back)> turn{"rope"};

}  // namespace lact::kernels
