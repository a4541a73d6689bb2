#include "data/views/synthetic_scene.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.hpp"

namespace lact::synthetic {
namespace {

constexpr float floor_z = -0.38f;  // where the solids stand
constexpr float pi = std::numbers::pi_v<float>;

struct Draws {  // numbers of one random stream, taken in order
  std::uint64_t key;
  std::int64_t next = 0;
  float in(float low, float high) { return low + (high - low) * float(uniform(key, next++)); }
  int below(int n) { return std::min(n - 1, int(in(0, float(n)))); }
};

Vec3 colour_of(float hue, float saturation, float value) {  // hue in turns
  auto channel = [&](float shift) {
    float x = std::fabs(6 * (hue + shift - std::floor(hue + shift)) - 3) - 1;
    return value * (1 - saturation * (1 - std::clamp(x, 0.f, 1.f)));
  };
  return {channel(0), channel(2.f / 3), channel(1.f / 3)};
}

// Local axes after a tilt of z towards local x and then a turn about the world's z.
std::array<Vec3, 3> turned(float tilt, float yaw) {
  float ct = std::cos(tilt), st = std::sin(tilt), cy = std::cos(yaw), sy = std::sin(yaw);
  return {Vec3{ct * cy, ct * sy, -st}, Vec3{-sy, cy, 0}, Vec3{st * cy, st * sy, ct}};
}

void shape(Solid& s, float scale, Draws& d) {
  using Kind = Solid::Kind;
  switch (s.kind) {
    case Kind::sphere:
      s.size = {scale * d.in(0.75f, 0.9f)};
      break;
    case Kind::box:
      s.size = {scale * d.in(0.5f, 0.75f), scale * d.in(0.5f, 0.75f), scale * d.in(0.5f, 0.8f)};
      break;
    case Kind::torus:
      s.size = {scale * d.in(0.62f, 0.7f), scale * d.in(0.22f, 0.3f)};
      break;
    case Kind::cylinder:
      s.size = {scale * d.in(0.5f, 0.65f), scale * d.in(0.45f, 0.75f)};
      break;
    case Kind::capsule:
      s.size = {scale * d.in(0.38f, 0.48f), scale * d.in(0.35f, 0.5f)};
      break;
  }
}

float reach_of(const Solid& s) {
  switch (s.kind) {
    case Solid::Kind::sphere:
      return s.size[0];
    case Solid::Kind::box:
      return std::hypot(s.size[0], s.size[1], s.size[2]);
    case Solid::Kind::cylinder:
      return std::hypot(s.size[0], s.size[1]);
    case Solid::Kind::torus:
    case Solid::Kind::capsule:
      return s.size[0] + s.size[1];
  }
  return 0;
}

// How far the solid reaches below its centre.
float half_height(const Solid& s) {
  auto z = [&](int axis) { return std::fabs(s.axes[std::size_t(axis)][2]); };
  float across = std::sqrt(std::max(0.f, 1 - z(2) * z(2)));  // of a unit circle around the solid's own z
  switch (s.kind) {
    case Solid::Kind::sphere:
      return s.size[0];
    case Solid::Kind::box:
      return z(0) * s.size[0] + z(1) * s.size[1] + z(2) * s.size[2];
    case Solid::Kind::torus:
      return s.size[0] * across + s.size[1];
    case Solid::Kind::cylinder:
      return s.size[0] * across + s.size[1] * z(2);
    case Solid::Kind::capsule:
      return s.size[0] + s.size[1] * z(2);
  }
  return 0;
}

void paint(Solid& s, float hue, Draws& d) {
  s.texture = Solid::Texture(d.below(4));
  s.colours[0] = colour_of(hue, d.in(0.65f, 0.9f), d.in(0.75f, 0.95f));
  s.colours[1] = d.below(2) == 0 ? colour_of(hue + d.in(0.3f, 0.6f), d.in(0.5f, 0.85f), d.in(0.45f, 0.8f))
                                 : colour_of(hue, d.in(0.05f, 0.2f), d.in(0.85f, 0.95f));
  s.cell = s.texture == Solid::Texture::gradient ? s.reach : d.in(0.17f, 0.26f);
  if (s.texture != Solid::Texture::noise) return;
  auto key = random_bits(d.key, d.next++);
  for (int i = 0; i < 512; ++i) s.lattice.push_back(float(uniform(key, i)));
}

Solid make_solid(Draws d, float x, float y, float scale, float hue) {
  Solid s;
  s.kind = Solid::Kind(d.below(5));
  shape(s, scale, d);
  bool rolls = s.kind == Solid::Kind::torus || s.kind == Solid::Kind::cylinder || s.kind == Solid::Kind::capsule;
  float tilts[] = {0, 0, pi / 2, d.in(0.3f, 0.9f)};
  float tilt = tilts[d.below(4)];
  s.axes = turned(rolls ? tilt : 0, d.in(-pi, pi));
  s.centre = {x, y, floor_z + half_height(s)};
  s.reach = reach_of(s);
  paint(s, hue, d);
  return s;
}

Solid make_ground(Draws d) {
  Solid s;
  s.kind = Solid::Kind::cylinder;
  s.size = {d.in(0.92f, 0.99f), 0.035f};
  s.axes = turned(0, d.in(-pi, pi));
  s.centre = {0, 0, floor_z - s.size[1]};
  s.reach = reach_of(s);
  paint(s, d.in(0, 1), d);
  for (Vec3& c : s.colours)  // paler than what stands on it
    for (float& v : c) v = 0.35f * v + 0.5f;
  s.cell *= 1.6f;
  return s;
}

}  // namespace

Scene make_scene(std::int64_t seed, std::int64_t number) {
  auto stream = [&](std::int64_t part) {
    return Draws{random_key(random_key(std::uint64_t(seed), "synthetic scene", number), "part", part)};
  };
  Scene scene;
  Draws d = stream(0);
  float azimuth = d.in(-pi, pi), elevation = d.in(0.8f, 1.1f);
  float level = std::cos(elevation);
  scene.to_light = {level * std::cos(azimuth), level * std::sin(azimuth), std::sin(elevation)};

  int around = 2 + d.below(3);
  float turn = d.in(-pi, pi), hue = d.in(0, 1);
  scene.solids.push_back(make_solid(stream(1), d.in(-0.05f, 0.05f), d.in(-0.05f, 0.05f), d.in(0.48f, 0.56f), hue));
  for (int i = 0; i < around; ++i) {
    float angle = turn + (float(i) + d.in(-0.15f, 0.15f)) * 2 * pi / float(around), radius = d.in(0.6f, 0.66f);
    hue += 0.618f;  // golden section: neighbours never share a hue
    scene.solids.push_back(
        make_solid(stream(2 + i), radius * std::cos(angle), radius * std::sin(angle), d.in(0.3f, 0.37f), hue));
  }
  if (d.in(0, 1) < 0.8f) scene.solids.push_back(make_ground(stream(16)));
  return scene;
}

}  // namespace lact::synthetic
