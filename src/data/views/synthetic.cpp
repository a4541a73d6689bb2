#include "data/views/synthetic.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "base/check.hpp"
#include "base/random.hpp"
#include "files/json.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

constexpr double radius = 2.7, degree = std::numbers::pi / 180;

// At the given azimuth and sine of elevation, looking at the origin, OpenCV axes, world z up.
Camera looking_inwards(double azimuth, double up, std::int64_t resolution) {
  double out = std::sqrt(1 - up * up), c = std::cos(azimuth), s = std::sin(azimuth), side = double(resolution);
  Camera camera{.cx = side / 2, .cy = side / 2, .width = resolution, .height = resolution};
  camera.fx = camera.fy = side / (2 * std::tan(25 * degree));
  camera.c2w = {-s, up * c, -out * c, radius * out * c,  //
                c,  up * s, -out * s, radius * out * s,  //
                0,  -out,   -up,      radius * up,       //
                0,  0,      0,        1};
  return camera;
}

// A Fibonacci spiral from 0 to 60 degrees, every point moved a little.
std::vector<Camera> cameras_around(const SyntheticConfig& config, std::int64_t scene) {
  auto key = random_key(std::uint64_t(config.seed), "synthetic cameras", scene);
  std::vector<Camera> cameras;
  for (std::int64_t place : sample_without_replacement(random_key(key, "order"), config.views, config.views)) {
    auto jitter = random_key(key, "jitter", place);
    double along = (double(place) + uniform(jitter, 0)) / double(config.views);
    double turns = double(place) / std::numbers::phi + 0.05 * uniform(jitter, 1) + uniform(key, 0);
    cameras.push_back(looking_inwards(2 * std::numbers::pi * turns, std::sin(60 * degree) * along, config.resolution));
  }
  return cameras;
}

// World to camera of a rotation and a position.
Json inverse_pose(const std::array<double, 16>& c2w) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < 3; ++i) {
    double shift = 0;
    for (std::size_t j = 0; j < 3; ++j) shift -= c2w[j * 4 + i] * c2w[j * 4 + 3];
    rows.push(Json::array({c2w[i], c2w[4 + i], c2w[8 + i], shift}));
  }
  return rows.push(Json::array({0.0, 0.0, 0.0, 1.0}));
}

// "00000012" for (12, 8).
std::string padded(std::int64_t number, std::size_t digits) {
  std::string s = std::to_string(number);
  return std::string(digits - std::min(digits, s.size()), '0') + s;
}

// The pictures and the camera file of one scene.
void write_scene(const SyntheticScenes& source, std::int64_t scene, const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder / "renderings", failed);
  check(!failed, "{} cannot be made: {}", (folder / "renderings").string(), failed.message());
  std::vector<Image> pictures(static_cast<std::size_t>(source.views(scene)));
#pragma omp parallel for schedule(dynamic)
  for (std::size_t v = 0; v < pictures.size(); ++v) pictures[v] = source.picture(scene, std::int64_t(v));

  Json list = Json::array();
  for (std::int64_t v = 0; v < source.views(scene); ++v) {
    std::string file = "renderings/" + padded(v, 8) + "_rgba.png";
    write_png((folder / file).string(), pictures[std::size_t(v)]);
    Camera c = source.camera(scene, v);
    list.push(Json::object({{"w", c.width},
                            {"h", c.height},
                            {"fx", c.fx},
                            {"fy", c.fy},
                            {"cx", c.cx},
                            {"cy", c.cy},
                            {"w2c", inverse_pose(c.c2w)},
                            {"file_path", file}}));
  }
  write_whole((folder / "opencv_cameras.json").string(), list.dump());
}

}  // namespace

SyntheticScenes::SyntheticScenes(const SyntheticConfig& config, std::int64_t cache_bytes) : cache_(cache_bytes) {
  constexpr std::int64_t most = 1 << 20;
  check(config.scenes > 0 && config.scenes <= most, "data.synthetic.scenes={} is not between 1 and {}", config.scenes,
        most);
  check(config.views > 0 && config.views <= most, "data.synthetic.views={} is not between 1 and {}", config.views,
        most);
  check(config.resolution > 0 && config.resolution <= 8192,
        "data.synthetic.resolution={} is not a picture of 1 to 8192 pixels a side", config.resolution);
  for (std::int64_t s = 0; s < config.scenes; ++s)
    made_.push_back({synthetic::make_scene(config.seed, s), cameras_around(config, s)});
}

const SyntheticScenes::Made& SyntheticScenes::made(std::int64_t scene) const {
  check(scene >= 0 && scene < scenes(), "scene {} was asked for, {} were generated", scene, scenes());
  return made_[std::size_t(scene)];
}

std::int64_t SyntheticScenes::scenes() const { return std::int64_t(made_.size()); }

std::string SyntheticScenes::scene_name(std::int64_t scene) const { return "scene_" + padded(scene, 4); }

std::int64_t SyntheticScenes::views(std::int64_t scene) const { return std::int64_t(made(scene).cameras.size()); }

Camera SyntheticScenes::camera(std::int64_t scene, std::int64_t view) const {
  check(view >= 0 && view < views(scene), "view {} of {} was asked for, it has {}", view, scene_name(scene),
        views(scene));
  return made(scene).cameras[std::size_t(view)];
}

const synthetic::Scene& SyntheticScenes::solids(std::int64_t scene) const { return made(scene).scene; }

Image SyntheticScenes::picture(std::int64_t scene, std::int64_t view) const {
  return synthetic::render(solids(scene), camera(scene, view));
}

PosedView SyntheticScenes::load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const {
  Camera c = camera(scene, view);
  const Fit f = fit({int(c.width), int(c.height)}, int(height), int(width));
  c.fx *= f.scale, c.fy *= f.scale;
  c.cx = c.cx * f.scale - f.left, c.cy = c.cy * f.scale - f.top;
  c.width = width, c.height = height;
  const PictureCache::Key key{scene, view, height, width};
  if (const std::optional<PictureCache::Picture> known = cache_.find(key)) return fitted_view(c, known->fitted);
  const Image image = resize_and_crop(synthetic::render(solids(scene), c), int(height), int(width));  // laid on white
  cache_.keep(key, {image, {}});
  return fitted_view(c, image);
}

void write_dataset(const SyntheticScenes& source, const std::string& folder) {
  const auto root = std::filesystem::path(folder);
  const std::string index = (root / "index.json").string();
  check(!std::filesystem::exists(index), "{} is already there; choose another folder", index);
  Json list = Json::array();
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    write_scene(source, s, root / source.scene_name(s));
    list.push(source.scene_name(s) + "/opencv_cameras.json");
  }
  write_whole(index, list.dump());
}

}  // namespace lact
