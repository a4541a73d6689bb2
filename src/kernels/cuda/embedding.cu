// Rays and tokens of posed views.
#include "kernels/embedding.hpp"

#include "kernels/cuda/launch.cuh"
#include "kernels/rays.hpp"

namespace lact::kernels::cuda {
namespace {

struct RayOf {
  float* y;
  const float *intrinsics, *poses;
  std::int64_t h, w;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t item = i / (h * w), at = i % (h * w);
    const Ray r = ray_of(intrinsics + item * 4, poses + item * 16, at % w, at / w);
#pragma unroll
    for (int c = 0; c < 9; ++c) y[(item * 9 + c) * h * w + at] = float(r.channels[c]);
  }
};

struct TokenOf {
  float* y;
  const float *intrinsics, *poses, *images;
  std::int64_t views, given, h, w, p;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t plane = h * w, item = i / plane, row = i % plane / w, column = i % w, view = item % views;
    const Ray r = ray_of(intrinsics + item * 4, poses + item * 16, column, row);
    float* pixel = y + item * plane * token_channels + place_of_pixel(row, column, w, p);
#pragma unroll
    for (int c = 0; c < 9; ++c) pixel[c] = float(r.channels[c]);
    const float* image = images + (item / views * given + view) * 3 * plane + row * w + column;
    for (int c = 0; c < 3; ++c) pixel[9 + c] = view < given ? image[c * plane] * 2 - 1 : 0;
  }
};

}  // namespace

const Cuda<kernels::rays> rays = [](Tensor y, const Tensor& intrinsics, const Tensor& poses) {
  start<1>(y, "rays", y.count() / 9,
           RayOf{y.data<float>(), intrinsics.data<float>(), poses.data<float>(), y.dim(3), y.dim(4)});
};

const Cuda<kernels::view_tokens> view_tokens = [](Tensor y, const Tensor& intrinsics, const Tensor& poses,
                                                  const Tensor& images, std::int64_t h, std::int64_t w,
                                                  std::int64_t p) {
  const std::int64_t given = images.defined() ? images.dim(1) : 0;
  start<1>(y, "view_tokens", y.count() / token_channels,
           TokenOf{y.data<float>(), intrinsics.data<float>(), poses.data<float>(),
                   given > 0 ? images.data<float>() : nullptr, poses.dim(1), given, h, w, p});
};

}  // namespace lact::kernels::cuda
