// What the loader gives and a model takes.
#pragma once
#include "tensor/tensor.hpp"

namespace lact {

struct Batch {
  // Posed views, inputs first and targets last, f32: images [b, v, 3, h, w] in [0, 1], intrinsics [b, v, 4] = fx fy cx
  // cy in pixels, poses [b, v, 4, 4] camera to world with OpenCV axes (x right, y down, z forward). v = input_views +
  // target_views.
  Tensor images, intrinsics, poses;
  std::int64_t input_views = 0, target_views = 0;
  // Count of target numbers over the whole global batch, all micro-batches and ranks, known before the first forward
  // pass.
  double valid = 0;
};

}  // namespace lact
