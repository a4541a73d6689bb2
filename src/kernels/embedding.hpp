// Posed views to numbers that a model reads. All f32 and contiguous; intrinsics [b, v, 4] = fx fy cx cy, poses
// [b, v, 4, 4] camera to world.
#pragma once
#include "kernels/kernel.hpp"

namespace lact::kernels {

// y [b, v, 9, h, w]: origin, unit direction and origin x direction of every pixel's ray.
inline constinit Kernel<void(Tensor y, const Tensor& intrinsics, const Tensor& poses)> rays{"rays"};

// y [b, v h w / p^2, 12 p^2]: per pixel the ray and, for the first views that `images` [b, n, 3, h, w] has, the image
// scaled to [-1, 1]; zeros for the others. Token order (view, patch row, patch column), features (row in patch, column,
// channel). images may be undefined.
inline constinit Kernel<void(Tensor y, const Tensor& intrinsics, const Tensor& poses, const Tensor& images,
                             std::int64_t h, std::int64_t w, std::int64_t p)>
    view_tokens{"view_tokens"};

}  // namespace lact::kernels
