#include "train/product_rate.hpp"

#include <algorithm>
#include <cmath>

#include "base/median.hpp"
#include "base/random.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"

namespace lact {

Tensor drawn(Device& d, DType t, Shape s, const char* name, double deviation) {
  std::vector<float> v(std::size_t(count_of(s)));
  const std::uint64_t key = random_key(1, name);
#pragma omp parallel for
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = from_bf16(to_bf16(float(deviation * normal(key, std::int64_t(i)))));
  if (t != DType::bf16) return Tensor::of(d, std::move(s), std::span<const float>(v), t);
  const Tensor x = Tensor::empty(d, s, t);
  kernels::unary(kernels::Unary::copy, x, Tensor::of(d, s, std::span<const float>(v)));
  return x;
}

double median_seconds(Device& d, std::int64_t runs, const std::function<void()>& call) {
  constexpr double least = 2e-3;  // between two marks: until then a GPU may still wait for the host
  std::vector<double> seconds;
  std::int64_t calls = 1;
  for (std::int64_t i = 0; i < runs + 2; ++i) {
    d.compute().finish();
    const Event begin = d.compute().mark_time();
    for (std::int64_t c = 0; c < calls; ++c) call();
    const Event end = d.compute().mark_time();
    const double each = end.seconds_since(begin) / double(calls);
    d.compute().finish();
    if (i == 1) calls = std::clamp<std::int64_t>(std::int64_t(std::ceil(least / std::max(each, 1e-9))), 1, 50);
    if (i >= 2) seconds.push_back(each);
  }
  return upper_median(std::move(seconds));
}

double product_seconds(Device& d, DType t, std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t runs) {
  const Tensor a = drawn(d, t, {m, k}, "a"), b = drawn(d, t, {k, n}, "b"), y = Tensor::empty(d, {m, n}, t);
  return median_seconds(d, runs, [&] { kernels::matmul(y, a, b); });
}

double measured_product_rate(Device& d, DType t, std::int64_t size) {
  // seconds: a GPU that needs them for a product is no faster with a larger one
  constexpr double long_enough = 0.01;
  const std::int64_t most = size > 0 ? size : d.backend() == Backend::cpu ? 1024 : t == DType::bf16 ? 8192 : 4096;
  for (std::int64_t n = size > 0 || d.backend() == Backend::cpu ? most : 512;; n *= 2) {
    const double seconds = product_seconds(d, t, n, n, n, 5);
    if (n == most || seconds > long_enough) return 2.0 * double(n * n) * double(n) / seconds;
  }
}

double measured_copy_rate(Device& d, std::int64_t bytes) {
  if (bytes == 0) bytes = std::int64_t(d.backend() == Backend::cpu ? 1 : 4) << 28;
  const Tensor from = Tensor::zeros(d, {bytes}, DType::u8), to = like(from);
  const double seconds = median_seconds(d, 5, [&] { d.copy(to.raw(), from.raw(), std::size_t(bytes)); });
  return 2 * double(bytes) / seconds;
}

double relative_difference(const std::vector<double>& mine, const std::vector<double>& judge) {
  double apart = 0, length = 0;
  for (std::size_t i = 0; i < judge.size(); ++i)
    apart += (mine.at(i) - judge[i]) * (mine.at(i) - judge[i]), length += judge[i] * judge[i];
  return apart == 0 ? 0 : std::sqrt(apart / length);
}

}  // namespace lact
