#include "layers/embedding.hpp"

#include <cmath>

#include "autograd/broadcast.hpp"
#include "base/check.hpp"

namespace lact {
namespace {

struct Ray {
  std::array<double, 9> channels;  // o, d, o x d
};

Ray ray_of(const float* fxfycxcy, const float* c2w, std::int64_t column, std::int64_t row) {
  double x = (double(column) + 0.5 - fxfycxcy[2]) / fxfycxcy[0], y = (double(row) + 0.5 - fxfycxcy[3]) / fxfycxcy[1];
  std::array<double, 3> o, d;
  double norm = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    o[i] = c2w[4 * i + 3];
    d[i] = c2w[4 * i] * x + c2w[4 * i + 1] * y + c2w[4 * i + 2];
    norm += d[i] * d[i];
  }
  for (double& v : d) v /= std::sqrt(norm);
  return {{o[0], o[1], o[2], d[0], d[1], d[2], o[1] * d[2] - o[2] * d[1], o[2] * d[0] - o[0] * d[2],
           o[0] * d[1] - o[1] * d[0]}};
}

}  // namespace

Tensor rays(const Tensor& intrinsics, const Tensor& poses, std::int64_t h, std::int64_t w) {
  std::int64_t b = poses.dim(0), v = poses.dim(1);
  Tensor out = Tensor::empty(poses.device(), {b, v, 9, h, w});
#pragma omp parallel for
  for (std::int64_t item = 0; item < b * v; ++item) {
    float* image = out.data<float>() + item * 9 * h * w;
    for (std::int64_t at = 0; at < h * w; ++at) {
      Ray r = ray_of(intrinsics.data<float>() + item * 4, poses.data<float>() + item * 16, at % w, at / w);
      for (std::int64_t ch = 0; ch < 9; ++ch) image[ch * h * w + at] = float(r.channels[std::size_t(ch)]);
    }
  }
  return out;
}

Tensor view_tokens(const Tensor& intrinsics, const Tensor& poses, const Tensor& images, std::int64_t h, std::int64_t w,
                   std::int64_t p) {
  std::int64_t b = poses.dim(0), v = poses.dim(1), given = images.defined() ? images.dim(1) : 0;
  check(h % p == 0 && w % p == 0, "a resolution of {} x {} does not divide into patches of {}", h, w, p);
  check(intrinsics.contiguous() && poses.contiguous() && (given == 0 || images.contiguous()),
        "views must be contiguous");
  constexpr std::int64_t channels = 12;
  std::int64_t columns = w / p, patches = h / p * columns, plane = h * w;
  Tensor out = Tensor::empty(poses.device(), {b, v * patches, channels * p * p});
#pragma omp parallel for
  for (std::int64_t item = 0; item < b * v; ++item) {
    std::int64_t view = item % v;
    const float* image = view < given ? images.data<float>() + (item / v * given + view) * 3 * plane : nullptr;
    float* tokens = out.data<float>() + item * patches * channels * p * p;
    for (std::int64_t row = 0; row < h; ++row) {
      for (std::int64_t column = 0; column < w; ++column) {
        Ray r = ray_of(intrinsics.data<float>() + item * 4, poses.data<float>() + item * 16, column, row);
        float* pixel = tokens + (((row / p) * columns + column / p) * p * p + row % p * p + column % p) * channels;
        for (std::size_t i = 0; i < 9; ++i) pixel[i] = float(r.channels[i]);
        for (std::int64_t i = 0; i < 3; ++i) pixel[9 + i] = image ? image[i * plane + row * w + column] * 2 - 1 : 0;
      }
    }
  }
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
