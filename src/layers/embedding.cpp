#include "layers/embedding.hpp"

#include "autograd/broadcast.hpp"
#include "base/check.hpp"
#include "kernels/embedding.hpp"

namespace lact {

Tensor rays(const Tensor& intrinsics, const Tensor& poses, std::int64_t h, std::int64_t w) {
  Tensor out = Tensor::empty(poses.device(), {poses.dim(0), poses.dim(1), 9, h, w});
  kernels::rays(out, intrinsics, poses);
  return out;
}

Tensor view_tokens(const Tensor& intrinsics, const Tensor& poses, const Tensor& images, std::int64_t h, std::int64_t w,
                   std::int64_t p) {
  check(p > 0, "patches of {} pixels", p);
  Tensor out = Tensor::empty(poses.device(), {poses.dim(0), poses.dim(1) * (h / p) * (w / p), 12 * p * p});
  kernels::view_tokens(out, intrinsics, poses, images, h, w, p);
  return out;
}

Var unpatched(const Var& x, std::int64_t views, std::int64_t h, std::int64_t w, std::int64_t p) {
  std::int64_t b = x.dim(0);
  Var grid = view(x, {b, views, h / p, w / p, p, p, 3});
  return view(permute(grid, {0, 1, 6, 2, 4, 3, 5}), {b, views, 3, h, w});
}

Tensor patched(const Tensor& images, std::int64_t h, std::int64_t w, std::int64_t p) {
  std::int64_t b = images.dim(0), v = images.dim(1);
  Tensor grid = dense(images).view({b, v, 3, h / p, p, w / p, p}).permute({0, 1, 3, 5, 4, 6, 2});
  return dense(grid).view({b, v * (h / p) * (w / p), p * p * 3});
}

}  // namespace lact
