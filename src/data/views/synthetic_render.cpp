#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "data/views/synthetic_scene.hpp"

namespace lact::synthetic {
namespace {

constexpr float touching = 1e-3f;  // closer than this is on the surface; a pixel of 256 is 1e-2 wide
constexpr int most_steps = 96;
constexpr float sharpness = 9;  // of shadows: 1 / half the angle that the light fills
constexpr int grid = 2;         // rays along each side of a pixel
constexpr std::size_t most_solids = 16;

Vec3 operator+(const Vec3& a, const Vec3& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
Vec3 operator-(const Vec3& a, const Vec3& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
Vec3 operator*(float a, const Vec3& b) { return {a * b[0], a * b[1], a * b[2]}; }
float dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
float length(float x, float y) { return std::sqrt(x * x + y * y); }
float length(const Vec3& a) { return std::sqrt(dot(a, a)); }
Vec3 normalised(const Vec3& a) { return (1 / length(a)) * a; }
Vec3 mix(const Vec3& a, const Vec3& b, float t) { return a + t * (b - a); }
float smooth(float t) { return t * t * (3 - 2 * t); }
Vec3 into(const std::array<Vec3, 3>& axes, const Vec3& v) {
  return {dot(axes[0], v), dot(axes[1], v), dot(axes[2], v)};
}

struct LocalRay {  // a ray in the axes of a solid that it may meet
  const Solid* solid;
  Vec3 from, along;
  Vec3 at(float t) const { return from + t * along; }
};

struct Path {  // the solids whose ball a ray crosses, and the part of the ray inside these balls
  std::array<LocalRay, most_solids> near;
  std::size_t count = 0;
  float begin = 1e9f, end = 0;
};

Path path_of(const Scene& scene, const Vec3& from, const Vec3& along, float margin) {
  Path p;
  for (const Solid& s : scene.solids) {
    Vec3 to_centre = s.centre - from;
    float middle = dot(to_centre, along), reach = s.reach + margin;
    float half2 = reach * reach - dot(to_centre, to_centre) + middle * middle;
    if (half2 <= 0) continue;
    float half = std::sqrt(half2);
    if (middle + half <= 0) continue;
    p.near[p.count++] = {&s, into(s.axes, from - s.centre), into(s.axes, along)};
    p.begin = std::min(p.begin, std::max(0.f, middle - half));
    p.end = std::max(p.end, middle + half);
  }
  return p;
}

struct Nearest {
  float distance;
  const LocalRay* ray;
};
Nearest nearest_at(const Path& p, float t) {
  Nearest n{1e9f, nullptr};
  for (std::size_t i = 0; i < p.count; ++i) {
    float d = distance(*p.near[i].solid, p.near[i].at(t));
    if (d < n.distance) n = {d, &p.near[i]};
  }
  return n;
}

struct Hit {
  const LocalRay* ray = nullptr;
  float t = 0;
};
Hit first_hit(const Path& p) {
  float t = p.begin;
  for (int i = 0; i < most_steps && t < p.end; ++i) {
    Nearest n = nearest_at(p, t);
    if (n.distance < touching) return {n.ray, t};
    t += n.distance;
  }
  return {};
}

// 1 in full light, 0 in the core of a shadow: the narrowest gap on the way to the light, as an angle (Quilez 2010).
float light_reaching(const Scene& scene, const Vec3& from) {
  Path p = path_of(scene, from, scene.to_light, 0.15f);
  float open = 1, t = std::max(p.begin, 0.01f);
  for (int i = 0; i < most_steps && t < p.end; ++i) {
    float d = nearest_at(p, t).distance;
    if (d < touching) return 0;
    open = std::min(open, sharpness * d / t);
    t += std::max(d, 0.01f);
  }
  return smooth(open);
}

Vec3 normal_at(const Solid& s, const Vec3& p) {  // in world axes, by differences towards the corners of a tetrahedron
  static constexpr std::array<Vec3, 4> corners = {Vec3{1, -1, -1}, Vec3{-1, -1, 1}, Vec3{-1, 1, -1}, Vec3{1, 1, 1}};
  Vec3 g{};
  for (const Vec3& c : corners) g = g + distance(s, p + 5e-4f * c) * c;
  return normalised(g[0] * s.axes[0] + g[1] * s.axes[1] + g[2] * s.axes[2]);
}

float noise_at(const Solid& s, const Vec3& p) {  // the lattice, joined smoothly
  std::array<int, 3> cell{};
  Vec3 f{};
  for (std::size_t i = 0; i < 3; ++i) {
    float x = p[i] / s.cell;
    cell[i] = int(std::floor(x));
    f[i] = smooth(x - std::floor(x));
  }
  float sum = 0;
  for (int corner = 0; corner < 8; ++corner) {
    float weight = 1;
    std::size_t index = 0;
    for (int i = 0; i < 3; ++i) {
      int up = corner >> i & 1;
      auto axis = std::size_t(i);
      weight *= up ? f[axis] : 1 - f[axis];
      index = index * 8 + std::size_t((cell[axis] + up) & 7);
    }
    sum += weight * s.lattice[index];
  }
  return sum;
}

Vec3 colour_at(const Solid& s, const Vec3& p) {
  auto cell = [&](float x) { return int(std::floor(x / s.cell)); };
  float t = 0;
  switch (s.texture) {
    case Solid::Texture::checker:  // shifted, so that no face of a box lies on a cell's border
      t = float((cell(p[0] + 0.03f) + cell(p[1] + 0.03f) + cell(p[2] + 0.03f)) & 1);
      break;
    case Solid::Texture::stripes:
      t = float(cell(p[0] + 0.6f * p[2]) & 1);
      break;
    case Solid::Texture::noise:
      t = smooth(std::clamp((noise_at(s, p) - 0.35f) / 0.3f, 0.f, 1.f));
      break;
    case Solid::Texture::gradient:
      t = std::clamp(0.5f + 0.6f * (p[0] + p[2]) / s.cell, 0.f, 1.f);
      break;
  }
  return mix(s.colours[0], s.colours[1], t);
}

struct Sample {
  Vec3 colour{};
  bool covered = false;
};
Sample trace(const Scene& scene, const Vec3& from, const Vec3& along) {
  Path p = path_of(scene, from, along, 0);
  Hit h = first_hit(p);
  if (!h.ray) return {};
  Vec3 local = h.ray->at(h.t), normal = normal_at(*h.ray->solid, local);
  float facing = dot(normal, scene.to_light);
  float direct = facing <= 0 ? 0 : facing * light_reaching(scene, from + h.t * along + 0.01f * normal);
  float ambient = 0.4f + 0.12f * normal[2];  // the sky is brighter than the ground
  return {(ambient + 0.64f * direct) * colour_at(*h.ray->solid, local), true};
}

std::uint8_t to_byte(float x) { return std::uint8_t(std::lround(255 * std::clamp(x, 0.f, 1.f))); }

}  // namespace

float distance(const Solid& s, const Vec3& p) {
  float a = s.size[0], b = s.size[1];
  switch (s.kind) {
    case Solid::Kind::sphere:
      return length(p) - a;
    case Solid::Kind::box: {
      float x = std::fabs(p[0]) - a, y = std::fabs(p[1]) - b, z = std::fabs(p[2]) - s.size[2];
      Vec3 outside{std::max(x, 0.f), std::max(y, 0.f), std::max(z, 0.f)};
      return length(outside) + std::min(std::max({x, y, z}), 0.f);
    }
    case Solid::Kind::torus:
      return length(length(p[0], p[1]) - a, p[2]) - b;
    case Solid::Kind::cylinder: {
      float r = length(p[0], p[1]) - a, z = std::fabs(p[2]) - b;
      return length(std::max(r, 0.f), std::max(z, 0.f)) + std::min(std::max(r, z), 0.f);
    }
    case Solid::Kind::capsule:
      return length({p[0], p[1], p[2] - std::clamp(p[2], -b, b)}) - a;
  }
  return 0;
}

Image render(const Scene& scene, const Camera& c) {
  check(scene.solids.size() <= most_solids, "a scene has {} solids, the renderer takes {}", scene.solids.size(),
        most_solids);
  auto column = [&](std::size_t j) { return Vec3{float(c.c2w[j]), float(c.c2w[4 + j]), float(c.c2w[8 + j])}; };
  const Vec3 right = column(0), down = column(1), forward = column(2), eye = column(3);
  Image image{int(c.width), int(c.height), 4, {}};
  image.pixels.reserve(std::size_t(c.width * c.height * 4));
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      Vec3 sum{};
      int covered = 0;
      for (int i = 0; i < grid * grid; ++i) {
        auto u = float((x + (i % grid + 0.5) / grid - c.cx) / c.fx);
        auto v = float((y + (i / grid + 0.5) / grid - c.cy) / c.fy);
        Sample s = trace(scene, eye, normalised(u * right + v * down + forward));
        sum = sum + s.colour;
        covered += s.covered;
      }
      for (float v : sum) image.pixels.push_back(covered ? to_byte(v / float(covered)) : 0);
      image.pixels.push_back(to_byte(float(covered) / (grid * grid)));
    }
  return image;
}

}  // namespace lact::synthetic
