// The same numbers in f32 and in f64: a kernel runs on both, and f64 judges f32.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>

#include "base/random.hpp"
#include "tensor/tensor.hpp"

namespace lact {

constexpr double eps32 = 1.2e-7;  // distance of 1 to the next float

// The device under test: the CPU, or what LACT_TEST_DEVICE names; tests/CMakeLists.txt starts programs once for each.
// Ranks take a GPU of their own where there are enough.
inline Device& tested() {
  static const std::unique_ptr<Device> device = [] {
    const char *name = std::getenv("LACT_TEST_DEVICE"), *rank = std::getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    const Backend b = backend_named(name == nullptr ? "cpu" : name);
    return Device::open(b, (rank == nullptr ? 0 : std::atoi(rank)) % std::max(1, Device::present(b)));
  }();
  return *device;
}
inline bool on_cpu() { return tested().backend() == Backend::cpu; }

// Gives every number of a contiguous tensor a new value: f(place, value).
inline void rewrite(const Tensor& t, const std::function<double(std::int64_t, double)>& f) {
  std::vector<double> v = t.to_doubles();
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = f(std::int64_t(i), v[i]);
  copy_bytes(t, Tensor::of(t.device(), t.shape(), std::span<const double>(v), t.dtype()));
}

inline Tensor random_tensor(const Shape& s, const char* name, DType t = DType::f64, double scale = 1) {
  const auto key = random_key(7, name);
  std::vector<double> values;
  for (std::int64_t i = 0; i < count_of(s); ++i) values.push_back(double(float(scale * normal(key, i))));
  return Tensor::of(tested(), s, std::span<const double>(values), t);
}

struct Pair {
  Tensor f32, f64;
  static Pair random(const Shape& s, const char* name, double scale = 1) {
    return {random_tensor(s, name, DType::f32, scale), random_tensor(s, name, DType::f64, scale)};
  }
  static Pair result(const Shape& s) {  // filled with NaN: a kernel that leaves a place unwritten is seen
    const std::vector<double> nan(std::size_t(count_of(s)), std::nan(""));
    return {Tensor::of(tested(), s, std::span<const double>(nan)),
            Tensor::of(tested(), s, std::span<const double>(nan), DType::f64)};
  }
  Pair with(const std::function<Tensor(const Tensor&)>& view) const { return {view(f32), view(f64)}; }
};

inline double largest(const std::vector<double>& x) {
  double m = 0;
  for (double v : x) m = std::max(m, std::abs(v));
  return m;
}

// Largest difference relative to the largest judge; NaN counts as infinite.
inline double difference(const Tensor& x, const Tensor& judge) {
  const auto a = x.to_doubles(), b = judge.to_doubles();
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double d = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double e = a[i] == b[i] ? 0 : std::abs(a[i] - b[i]);
    d = std::max(d, std::isnan(e) ? std::numeric_limits<double>::infinity() : e);
  }
  return d == 0 ? 0 : d / std::max(largest(b), 1e-30);
}

inline void expect_agrees(const Pair& p, double units, const std::string& what) {
  EXPECT_LE(difference(p.f32, p.f64), units * eps32) << what;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  const auto x = a.to_doubles(), y = b.to_doubles();
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i] != y[i] && !(std::isnan(x[i]) && std::isnan(y[i]))) return false;
  return x.size() == y.size();
}

// Runs on one thread and on two; the bits must be the same.
inline void expect_thread_independent(const std::function<Tensor()>& run, const std::string& what) {
  set_threads(1);
  const Tensor one = run();
  set_threads(2);
  const Tensor two = run();
  EXPECT_TRUE(same_bits(one, two)) << what;
}

// d f / d x . direction by central differences in f64 against <gradient, direction>.
inline void expect_slope(const std::function<double(const Tensor&)>& f, const Tensor& x, const Tensor& gradient,
                         const std::string& what) {
  const auto at = x.to_doubles(), slope = gradient.to_doubles();
  const auto key = random_key(3, what);
  const double h = 1e-6;
  std::vector<double> up = at, down = at;
  double claimed = 0, size = 0;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double d = normal(key, std::int64_t(i));
    up[i] += h * d;
    down[i] -= h * d;
    claimed += slope[i] * d;
    size += std::abs(slope[i] * d);
  }
  const double measured = (f(Tensor::of(tested(), x.shape(), std::span<const double>(up), DType::f64)) -
                           f(Tensor::of(tested(), x.shape(), std::span<const double>(down), DType::f64))) /
                          (2 * h);
  // truncation h^2 f''' and rounding 1e-16 |f| / h are both near 1e-9 of the terms here
  EXPECT_NEAR(measured, claimed, 1e-7 * (size + 1)) << what;
}

inline double inner(const Tensor& a, const Tensor& b) {
  const auto x = a.to_doubles(), y = b.to_doubles();
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

}  // namespace lact
