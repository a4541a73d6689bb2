// A batch of posed views, by the names of its tensors.
#pragma once
#include "tensor/batch.hpp"

namespace lact {

struct ViewBatch {
  // Inputs first and targets last, f32: images [b, v, 3, h, w] in [0, 1], intrinsics [b, v, 4] = fx fy cx cy in pixels,
  // poses [b, v, 4, 4] camera to world with OpenCV axes (x right, y down, z forward). v = input_views + target_views.
  Tensor images, intrinsics, poses;
  std::int64_t input_views = 0, target_views = 0;
  double valid = 0;  // see Batch

  ViewBatch() = default;
  // Both ways without a cast: the one is the other seen by names. Images may be missing where nobody looks at them.
  ViewBatch(const Batch& b);
  operator Batch() const;
};

}  // namespace lact
