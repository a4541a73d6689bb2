#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "base/check.hpp"
#include "data/views/cameras.hpp"

namespace lact {
namespace {

using Vec3 = std::array<double, 3>;

Vec3 cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
double length(const Vec3& a) { return std::sqrt(dot(a, a)); }
Vec3 times(double s, const Vec3& a) { return {s * a[0], s * a[1], s * a[2]}; }
Vec3 unit(const Vec3& a) { return times(1 / length(a), a); }

Vec3 column(const Pose& p, std::size_t c) { return {p[c], p[4 + c], p[8 + c]}; }
Vec3 mean_column(std::span<const Pose> poses, std::size_t c) {
  Vec3 sum{};
  for (const Pose& p : poses)
    for (std::size_t i = 0; i < 3; ++i) sum[i] += p[4 * i + c];
  return times(1 / double(poses.size()), sum);
}
Pose pose_of(const Vec3& x, const Vec3& y, const Vec3& z, const Vec3& at) {
  return {x[0], y[0], z[0], at[0], x[1], y[1], z[1], at[1], x[2], y[2], z[2], at[2], 0, 0, 0, 1};
}

constexpr double vanishing = 1e-6;  // of a sum of unit vectors: no direction is left in it

}  // namespace

void normalise_poses(std::vector<Pose>& poses, std::size_t judged) {
  if (poses.empty()) return;
  const std::span<const Pose> few(poses.data(), judged);
  const Vec3 centre = mean_column(few, 3), look = mean_column(few, 2), down = mean_column(few, 1);
  check(length(look) > vanishing && length(cross(down, look)) > vanishing * length(look),
        "the poses of {} views cannot be normalised: their directions cancel", judged);
  const Vec3 forward = unit(look), right = unit(cross(down, forward)), below = unit(cross(forward, right));
  for (Pose& p : poses) {  // times the inverse of the mean pose, whose rotation is orthonormal
    const Pose old = p;
    for (std::size_t c = 0; c < 4; ++c) {
      Vec3 v = column(old, c);
      if (c == 3)
        for (std::size_t i = 0; i < 3; ++i) v[i] -= centre[i];
      p[c] = dot(right, v), p[4 + c] = dot(below, v), p[8 + c] = dot(forward, v);
    }
  }
  double largest = 0;
  for (const Pose& p : few)
    for (double x : column(p, 3)) largest = std::max(largest, std::abs(x));
  if (largest <= 1e-12 * length(centre)) return;  // all in one point, up to round-off
  for (Pose& p : poses)
    for (std::size_t i = 0; i < 3; ++i) p[4 * i + 3] /= largest;
}

std::vector<Camera> turntable_cameras(const Turntable& t) {
  check(t.views > 0 && t.width > 0 && t.height > 0, "a turntable of {} views of {} x {} shows nothing", t.views,
        t.width, t.height);
  check(t.hfov > 0 && t.hfov < 180, "a field of view of {} degrees is not between 0 and 180", t.hfov);
  check(t.min_radius > 0 && t.min_radius <= t.max_radius, "a radius from {} to {} is not a range", t.min_radius,
        t.max_radius);
  const double degree = std::numbers::pi / 180, focal = double(t.width) / (2 * std::tan(t.hfov * degree / 2));
  const double middle = (t.min_radius + t.max_radius) / 2, reach = (t.max_radius - t.min_radius) / 2;
  std::vector<Camera> cameras;
  for (std::int64_t k = 0; k < t.views; ++k) {
    const double turn = 360 * degree * double(k) / double(t.views);
    const double wave = std::sin(2 * std::numbers::pi * double(k) / double(std::max<std::int64_t>(t.views - 1, 1)));
    const double rise = (t.elevation + t.swing * wave) * degree, radius = middle + reach * wave;
    const Vec3 outward{std::cos(rise) * std::cos(turn), std::cos(rise) * std::sin(turn), std::sin(rise)};
    const Vec3 forward = times(-1, outward), side = cross(forward, t.up);
    check(length(side) > vanishing, "view {} of the turntable looks along its up direction", k);
    const Vec3 right = unit(side), down = cross(forward, right);
    cameras.push_back({focal, focal, double(t.width) / 2, double(t.height) / 2,
                       pose_of(right, down, forward, times(radius, outward)), t.width, t.height, ""});
  }
  return cameras;
}

std::vector<Camera> interpolate_cameras(const std::vector<Camera>& cameras, std::int64_t between) {
  check(between >= 0, "{} views between two cameras are too few", between);
  std::vector<Camera> path;
  for (std::size_t i = 0; i < cameras.size(); ++i) {
    path.push_back(cameras[i]);
    if (i + 1 == cameras.size()) break;
    const Camera &a = cameras[i], &b = cameras[i + 1];
    for (std::int64_t k = 1; k <= between; ++k) {
      const double share = double(k) / double(between + 1);
      auto blend = [share](double x, double y) { return (1 - share) * x + share * y; };
      Camera c{blend(a.fx, b.fx), blend(a.fy, b.fy), blend(a.cx, b.cx), blend(a.cy, b.cy), {}, a.width, a.height, ""};
      for (std::size_t n = 0; n < 16; ++n) c.c2w[n] = blend(a.c2w[n], b.c2w[n]);
      path.push_back(std::move(c));
    }
  }
  return path;
}

}  // namespace lact
