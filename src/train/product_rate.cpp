#include "train/product_rate.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"

namespace lact {
namespace {

Tensor random_matrix(Device& d, DType t, std::int64_t rows, std::int64_t columns, const char* name) {
  std::vector<float> v(std::size_t(rows * columns));
  const std::uint64_t key = random_key(1, name);
#pragma omp parallel for
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = float(normal(key, std::int64_t(i)));
  const Tensor wide = Tensor::of(d, {rows, columns}, std::span<const float>(v));
  if (t == DType::f32) return wide;
  const Tensor x = Tensor::empty(d, wide.shape(), t);
  kernels::unary(kernels::Unary::copy, x, wide);
  return x;
}

}  // namespace

double median_seconds(Device& d, std::int64_t runs, const std::function<void()>& call) {
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < runs + 2; ++i) {
    d.compute().finish();
    const double begin = steady_seconds();
    call();
    d.compute().finish();
    if (i >= 2) seconds.push_back(steady_seconds() - begin);
  }
  std::ranges::nth_element(seconds, seconds.begin() + std::ptrdiff_t(seconds.size() / 2));
  return seconds[seconds.size() / 2];
}

double product_seconds(Device& d, DType t, std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t runs) {
  const Tensor a = random_matrix(d, t, m, k, "a"), b = random_matrix(d, t, k, n, "b"), y = Tensor::empty(d, {m, n}, t);
  return median_seconds(d, runs, [&] { kernels::matmul(y, a, b); });
}

double measured_product_rate(Device& d, DType t) {
  // seconds: a GPU that needs them for a product is no faster with a larger one
  constexpr double long_enough = 0.01;
  const std::int64_t most = d.backend() == Backend::cpu ? 1024 : (t == DType::bf16 ? 8192 : 4096);
  for (std::int64_t n = d.backend() == Backend::cpu ? most : 512;; n *= 2) {
    const double seconds = product_seconds(d, t, n, n, n, 5);
    if (n == most || seconds > long_enough) return 2.0 * double(n * n) * double(n) / seconds;
  }
}

}  // namespace lact
