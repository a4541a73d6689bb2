// Scenes that need no files: a few textured solids standing on a disc, given by signed distances and sphere traced.
// World z points up, the scene fits into a ball of radius 1.1 around the origin.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "data/views/cameras.hpp"
#include "data/views/images.hpp"

namespace lact::synthetic {

using Vec3 = std::array<float, 3>;

struct Solid {
  enum class Kind : std::uint8_t { sphere, box, torus, cylinder, capsule };
  enum class Texture : std::uint8_t { checker, stripes, noise, gradient };
  Kind kind = Kind::sphere;
  Texture texture = Texture::checker;
  Vec3 centre{};
  std::array<Vec3, 3> axes{};  // the solid's own x, y, z as world vectors; z is the axis of torus, cylinder, capsule
  // sphere: radius. box: half extents. torus: ring radius, tube radius. cylinder, capsule: radius, half length of axis.
  Vec3 size{};
  float reach = 0;  // radius of a ball around the centre that holds the solid
  std::array<Vec3, 2> colours{};
  float cell = 0;              // length of one checker cell, stripe, or noise cell
  std::vector<float> lattice;  // texture noise: 8x8x8 numbers in [0, 1], repeated through space
};

struct Scene {
  std::vector<Solid> solids;
  Vec3 to_light{};  // unit vector
};

// Scene `number` of the family `seed`: a function of these two alone.
Scene make_scene(std::int64_t seed, std::int64_t number);

// Distance from a point, given in the solid's own axes, to its surface; negative inside.
float distance(const Solid& s, const Vec3& local);

// The scene as the camera sees it: RGBA, colour not multiplied by alpha, alpha the covered part of a pixel (2x2 rays).
Image render(const Scene& scene, const Camera& camera);

}  // namespace lact::synthetic
