#include "data/views/cameras.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "data/views/inside.hpp"
#include "files/json.hpp"

namespace lact {
namespace {

double number_of(const Json& value) {
  const double x = value.number();
  if (!std::isfinite(static_cast<float>(x))) fail("{} is {}, beyond a 32-bit float", value.where(), x);
  return x;
}

double focal_length(const Json& entry, const char* key) {
  const double f = number_of(entry[key]);
  if (static_cast<float>(f) <= 0) fail("{} is {}; a focal length is positive", entry[key].where(), f);
  return f;
}

std::int64_t side_of(const Json& entry, const char* key) {
  if (!entry.has(key)) return 0;
  const Json value = entry[key];
  const double side = value.number();
  if (!(side >= 1 && side <= 1e9 && side == std::floor(side)))
    fail("{} is {}, not a number of pixels", value.where(), side);
  return std::int64_t(side);
}

Pose matrix_of(const Json& rows) {
  Pose m{};
  if (rows.size() != 4) fail("{} has {} rows instead of 4", rows.where(), rows.size());
  for (int r = 0; r < 4; ++r) {
    const Json row = rows.at(r);
    if (row.size() != 4) fail("{} has {} numbers instead of 4", row.where(), row.size());
    for (int c = 0; c < 4; ++c) m[std::size_t(4 * r + c)] = number_of(row.at(c));
  }
  constexpr double last[4] = {0, 0, 0, 1}, slack = 1e-6;  // float32 round-off of a converter
  for (int c = 0; c < 4; ++c)
    if (std::abs(m[std::size_t(12 + c)] - last[c]) > slack)
      fail("{} is {}; the last row of a pose is 0 0 0 1", rows.at(3).at(c).where(), m[std::size_t(12 + c)]);
  return m;
}

// [A t; 0 1] -> [A^-1, -A^-1 t; 0 1]; false where A has no inverse worth the name.
bool invert(const Pose& m, Pose& inverse) {
  auto a = [&](int r, int c) { return m[std::size_t(4 * (r % 3) + c % 3)]; };
  auto cofactor = [&](int r, int c) {  // cyclic indices carry the sign
    return a(r + 1, c + 1) * a(r + 2, c + 2) - a(r + 1, c + 2) * a(r + 2, c + 1);
  };
  const double det = a(0, 0) * cofactor(0, 0) + a(0, 1) * cofactor(0, 1) + a(0, 2) * cofactor(0, 2);
  double volume = 1;  // |det| is at most this, and equal when the rows are at right angles
  for (int r = 0; r < 3; ++r) volume *= std::hypot(a(r, 0), a(r, 1), a(r, 2));
  if (!(std::abs(det) > 1e-6 * volume)) return false;
  inverse = {};
  inverse[15] = 1;
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) {
      const double x = cofactor(c, r) / det;
      inverse[std::size_t(4 * r + c)] = x;
      inverse[std::size_t(4 * r + 3)] -= x * m[std::size_t(4 * c + 3)];
    }
  for (double x : inverse)
    if (!std::isfinite(static_cast<float>(x))) return false;
  return true;
}

// The 3 x 3 part of a pose is a rotation, perhaps with one scale; digits that a converter cut off do not matter.
void check_rotation(const Json& value, const Pose& m) {
  constexpr double slack = 0.01;
  auto row = [&](int r, int c) { return m[std::size_t(4 * r + c)]; };
  double longest = 0, shortest = HUGE_VAL, skew = 0;
  for (int r = 0; r < 3; ++r) {
    const int next = (r + 1) % 3;
    const double length = std::hypot(row(r, 0), row(r, 1), row(r, 2)),
                 other = std::hypot(row(next, 0), row(next, 1), row(next, 2));
    double along = 0;
    for (int c = 0; c < 3; ++c) along += row(r, c) * row(next, c);
    longest = std::max(longest, length), shortest = std::min(shortest, length);
    skew = std::max(skew, std::abs(along) / (length * other));
  }
  if (skew > slack || longest > (1 + slack) * shortest)
    fail(
        "{} shears or squeezes (its rows have an angle of cosine {:.3g} and lengths from {:.3g} to {:.3g}); a camera "
        "only turns",
        value.where(), skew, shortest, longest);
  const double det = row(0, 0) * (row(1, 1) * row(2, 2) - row(1, 2) * row(2, 1)) -
                     row(0, 1) * (row(1, 0) * row(2, 2) - row(1, 2) * row(2, 0)) +
                     row(0, 2) * (row(1, 0) * row(2, 1) - row(1, 1) * row(2, 0));
  if (det < 0)
    fail("{} mirrors (its determinant is {:.3g}), which no camera does; one axis, or all, has the wrong sign",
         value.where(), det);
}

// Keys that other formats have for lenses. The cameras here are pinholes.
void check_pinhole(const Json& entry) {
  auto refuse = [](const Json& value) {
    fail("{} is {}: the lens is not that of a pinhole, and pictures must be undistorted", value.where(),
         value.is_text() ? value.text() : value.dump());
  };
  for (const char* key :
       {"k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2", "distortion", "distortion_params", "dist_coeffs"}) {
    if (!entry.has(key)) continue;
    const Json value = entry[key];
    const std::vector<Json> numbers = value.is_array() ? value.items() : std::vector<Json>{value};
    for (const Json& n : numbers)
      if (n.is_number() && n.number() != 0) refuse(n);
  }
  for (const char* key : {"camera_model", "model"}) {
    if (!entry.has(key) || !entry[key].is_text()) continue;
    std::string name = entry[key].text();
    std::ranges::transform(name, name.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
    for (const char* bent : {"FISHEYE", "EQUIRECT", "SPHERICAL", "PANORAMA", "OMNI", "FOV"})
      if (name.find(bent) != name.npos) refuse(entry[key]);
  }
}

}  // namespace

std::vector<Camera> cameras_of(const Json& list, const std::string& path) {
  check(list.is_array(), "{}: a camera list is a JSON list with one object per picture", path);
  check(list.size() > 0, "{}: the camera list is empty", path);
  std::vector<Camera> cameras;
  for (const Json& entry : list.items()) {
    Camera c;
    c.fx = focal_length(entry, "fx"), c.fy = focal_length(entry, "fy");
    c.cx = number_of(entry["cx"]), c.cy = number_of(entry["cy"]);
    c.width = side_of(entry, "w"), c.height = side_of(entry, "h");
    const Pose w2c = matrix_of(entry["w2c"]);
    if (!invert(w2c, c.c2w)) fail("{} has no inverse", entry["w2c"].where());
    check_rotation(entry["w2c"], w2c);
    check_pinhole(entry);
    c.image = path_inside(entry["file_path"], path);
    cameras.push_back(std::move(c));
  }
  return cameras;
}

Camera in_pixels_of(Camera c, ImageSize size) {
  if (c.width == 0 || c.height == 0 || (c.width == size.width && c.height == size.height)) {
    c.width = size.width, c.height = size.height;
    return c;
  }
  // the one size is the other times a factor, but for the rounding of both to whole pixels
  const double across = double(size.width) / double(c.width), down = double(size.height) / double(c.height);
  const bool same_shape = std::abs(across * double(c.height) - size.height) <= std::max(1.0, across) &&
                          std::abs(down * double(c.width) - size.width) <= std::max(1.0, down);
  if (!same_shape) {
    const bool swapped = c.width == size.height && c.height == size.width && exif_orientation(c.image) >= 5;
    fail("{}: is {} x {}, but its camera says {} x {}{}", c.image, size.width, size.height, c.width, c.height,
         swapped ? ", and its EXIF says that it is to be turned; turn the pixels (exiftran -a, magick mogrify "
                   "-auto-orient) or the camera"
                 : ", which is another shape");
  }
  c.fx *= across, c.cx *= across, c.fy *= down, c.cy *= down;
  c.width = size.width, c.height = size.height;
  return c;
}

std::vector<Camera> load_cameras(const std::string& path) { return cameras_of(Json::read(path), path); }

}  // namespace lact
