#include "models/view_synthesis/metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/check.hpp"

namespace lact {
namespace {

std::vector<double> window(std::int64_t side) {  // Gaussian taps with sum 1, an odd number of them
  std::int64_t taps = std::min<std::int64_t>(11, side % 2 == 1 ? side : side - 1);
  std::vector<double> w;
  double sum = 0;
  for (std::int64_t i = 0; i < taps; ++i) {
    double x = double(i - taps / 2) / 1.5;
    w.push_back(std::exp(-x * x / 2));
    sum += w.back();
  }
  for (double& v : w) v /= sum;
  return w;
}

using Moments = std::array<double, 5>;  // weighted means of a, b, a*a, b*b, a*b
void add(Moments& to, double weight, const Moments& m) {
  for (std::size_t i = 0; i < m.size(); ++i) to[i] += weight * m[i];
}

double similarity(const Moments& m) {
  constexpr double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
  double a = m[0], b = m[1];
  double var_a = m[2] - a * a, var_b = m[3] - b * b, cov = m[4] - a * b;
  return (2 * a * b + c1) * (2 * cov + c2) / ((a * a + b * b + c1) * (var_a + var_b + c2));
}

// The mean of the similarities over all places of one plane.
double plane(const float* a, const float* b, std::int64_t height, std::int64_t width) {
  auto down = window(height), across = window(width);
  auto rows = height - std::int64_t(down.size()) + 1, columns = width - std::int64_t(across.size()) + 1;
  double sum = 0;
  std::vector<Moments> columns_of_row(static_cast<std::size_t>(width));  // the window's rows already averaged
  for (std::int64_t y = 0; y < rows; ++y) {
    std::fill(columns_of_row.begin(), columns_of_row.end(), Moments{});
    for (std::size_t i = 0; i < down.size(); ++i)
      for (std::int64_t x = 0; x < width; ++x) {
        auto at = (y + std::int64_t(i)) * width + x;
        double p = a[at], q = b[at];
        add(columns_of_row[std::size_t(x)], down[i], {p, q, p * p, q * q, p * q});
      }
    for (std::int64_t x = 0; x < columns; ++x) {
      Moments m{};
      for (std::size_t i = 0; i < across.size(); ++i) add(m, across[i], columns_of_row[std::size_t(x) + i]);
      sum += similarity(m);
    }
  }
  return sum / double(rows * columns);
}

}  // namespace

double mse(std::span<const float> a, std::span<const float> b) {
  check(a.size() == b.size() && !a.empty(), "cannot compare pictures of {} and {} numbers", a.size(), b.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  return sum / double(a.size());
}

double psnr(double mse) { return -10 * std::log10(mse); }

double ssim(std::span<const float> a, std::span<const float> b, std::int64_t height, std::int64_t width) {
  auto area = std::size_t(std::max<std::int64_t>(height, 0) * std::max<std::int64_t>(width, 0));
  check(area > 0 && a.size() == b.size() && !a.empty() && a.size() % area == 0,
        "cannot compare pictures of {} and {} numbers as planes of {} x {}", a.size(), b.size(), height, width);
  double sum = 0;
  for (std::size_t at = 0; at < a.size(); at += area) sum += plane(a.data() + at, b.data() + at, height, width);
  return sum * double(area) / double(a.size());
}

}  // namespace lact
