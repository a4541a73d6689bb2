#include "data/cameras.hpp"

#include <cmath>
#include <filesystem>

#include "base/check.hpp"
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

std::string picture_path(const Json& value, const std::filesystem::path& folder) {
  const std::string text = value.text();
  const std::filesystem::path inside = std::filesystem::path(text).lexically_normal();
  if (text.empty() || text.find('\0') != std::string::npos) fail("{} is not a path", value.where());
  if (inside.is_absolute() || *inside.begin() == "..")
    fail("{} is '{}', which leaves the dataset folder", value.where(), text);
  return (folder / inside).string();
}

}  // namespace

std::vector<Camera> cameras_of(const Json& list, const std::string& path) {
  check(list.is_array(), "{}: a camera list is a JSON list with one object per picture", path);
  check(list.size() > 0, "{}: the camera list is empty", path);
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::vector<Camera> cameras;
  for (const Json& entry : list.items()) {
    Camera c;
    c.fx = focal_length(entry, "fx"), c.fy = focal_length(entry, "fy");
    c.cx = number_of(entry["cx"]), c.cy = number_of(entry["cy"]);
    c.width = side_of(entry, "w"), c.height = side_of(entry, "h");
    if (!invert(matrix_of(entry["w2c"]), c.c2w)) fail("{} has no inverse", entry["w2c"].where());
    c.image = picture_path(entry["file_path"], folder);
    cameras.push_back(std::move(c));
  }
  return cameras;
}

std::vector<Camera> load_cameras(const std::string& path) { return cameras_of(Json::read(path), path); }

}  // namespace lact
