// Rays and patches: posed images to tokens and back (docs/math.md, 5.1 and 5.2).
#pragma once
#include "autograd/ops.hpp"

namespace lact {

// Pluecker rays of every pixel, [b, v, 9, h, w]: origin, unit direction, origin x direction, in world coordinates.
// Camera direction of pixel (column i, row j): ((i + 0.5 - cx) / fx, (j + 0.5 - cy) / fy, 1). intrinsics [b, v, 4],
// poses [b, v, 4, 4].
Tensor rays(const Tensor& intrinsics, const Tensor& poses, std::int64_t h, std::int64_t w);

// Tokens [b, v h w / p^2, 12 p^2] of v views: per pixel the ray and, for the first views that `images` [b, n, 3, h, w]
// has, the image scaled to [-1, 1]; zeros for the others. Token order (view, patch row, patch column), features (row in
// patch, column, channel).
Tensor view_tokens(const Tensor& intrinsics, const Tensor& poses, const Tensor& images, std::int64_t h, std::int64_t w,
                   std::int64_t p);

// Tokens [b, v h w / p^2, 3 p^2] to images [b, v, 3, h, w], same order.
Var unpatched(const Var& x, std::int64_t views, std::int64_t h, std::int64_t w, std::int64_t p);
// Its inverse on numbers.
Tensor patched(const Tensor& images, std::int64_t h, std::int64_t w, std::int64_t p);

}  // namespace lact
