// Rays and tokens of posed views.
#include "kernels/embedding.hpp"

#include "kernels/rays.hpp"

namespace lact::kernels::cpu {

const Cpu<kernels::rays> rays = [](Tensor y, const Tensor& intrinsics, const Tensor& poses) {
  const std::int64_t h = y.dim(3), w = y.dim(4);
#pragma omp parallel for
  for (std::int64_t item = 0; item < y.dim(0) * y.dim(1); ++item) {
    float* image = y.data<float>() + item * 9 * h * w;
    for (std::int64_t at = 0; at < h * w; ++at) {
      const Ray r = ray_of(intrinsics.data<float>() + item * 4, poses.data<float>() + item * 16, at % w, at / w);
      for (std::int64_t ch = 0; ch < 9; ++ch) image[ch * h * w + at] = float(r.channels[ch]);
    }
  }
};

const Cpu<kernels::view_tokens> view_tokens = [](Tensor y, const Tensor& intrinsics, const Tensor& poses,
                                                 const Tensor& images, std::int64_t h, std::int64_t w, std::int64_t p) {
  const std::int64_t v = poses.dim(1), given = images.defined() ? images.dim(1) : 0, plane = h * w;
#pragma omp parallel for
  for (std::int64_t item = 0; item < poses.dim(0) * v; ++item) {
    const std::int64_t view = item % v;
    const float* image = view < given ? images.data<float>() + (item / v * given + view) * 3 * plane : nullptr;
    float* tokens = y.data<float>() + item * plane * token_channels;
    for (std::int64_t row = 0; row < h; ++row) {
      for (std::int64_t column = 0; column < w; ++column) {
        const Ray r = ray_of(intrinsics.data<float>() + item * 4, poses.data<float>() + item * 16, column, row);
        float* pixel = tokens + place_of_pixel(row, column, w, p);
        for (std::int64_t i = 0; i < 9; ++i) pixel[i] = float(r.channels[i]);
        for (std::int64_t i = 0; i < 3; ++i) pixel[9 + i] = image ? image[i * plane + row * w + column] * 2 - 1 : 0;
      }
    }
  }
};

}  // namespace lact::kernels::cpu
