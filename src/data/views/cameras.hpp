// Pinhole cameras: the camera list of a scene, checked, and the paths that a viewer flies.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "data/views/images.hpp"

namespace lact {

using Pose = std::array<double, 16>;  // 4x4 row-major, last row 0 0 0 1

struct Camera {                           // OpenCV axes: x right, y down, z forward
  double fx = 0, fy = 0, cx = 0, cy = 0;  // pixels of an image of width x height
  Pose c2w{};                             // camera to world
  std::int64_t width = 0, height = 0;     // 0 where a list does not say
  std::string image;                      // path of the picture; empty where there is none
};

class Json;
// A camera list: [{fx, fy, cx, cy, w2c: 4x4, file_path, and optionally w, h}, ...]. `image` is file_path joined to the
// folder of the list, and may not point out of it. w2c turns, moves and perhaps scales; a lens that bends (k1, a
// fisheye camera_model) is refused. Every value is checked; an error names the file, the entry and the key. Pictures
// are not opened.
std::vector<Camera> load_cameras(const std::string& path);
std::vector<Camera> cameras_of(const Json& list, const std::string& path);  // of an already parsed file

// The camera in pixels of a picture of that size: w and h say for which size fx, fy, cx and cy hold, so these are
// scaled where the picture has another. An error where it has another shape.
Camera in_pixels_of(Camera c, ImageSize size);

// Moves and turns the world so that the mean camera stands at the origin and looks along z, then scales it so that the
// largest coordinate of a camera is 1. Directions that cancel have no mean, which is an error; cameras in one point
// keep their scale. `judged`: the mean and the scale are those of the first so many; the others follow.
void normalise_poses(std::vector<Pose>& poses, std::size_t judged);
inline void normalise_poses(std::vector<Pose>& poses) { normalise_poses(poses, poses.size()); }

// One round around the origin, z up, rising and backing off once on the way: at the share s of the path (first view 0,
// last view 1) the elevation is `elevation + swing sin 2 pi s` degrees, and the radius swings between its bounds in
// step with it.
struct Turntable {
  std::int64_t width = 256, height = 256, views = 120;
  double hfov = 50;  // degrees, across the width
  double min_radius = 1.7, max_radius = 3, elevation = 30, swing = 15;
  std::array<double, 3> up{0, 0, 1};
};
std::vector<Camera> turntable_cameras(const Turntable& path);

// The cameras with `between` blends after each but the last: linear in intrinsics and in every entry of the pose, so
// rotations are only approximate on the way.
std::vector<Camera> interpolate_cameras(const std::vector<Camera>& cameras, std::int64_t between);

}  // namespace lact
