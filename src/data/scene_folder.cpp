#include "data/scene_folder.hpp"

#include <algorithm>
#include <filesystem>

#include "base/check.hpp"
#include "base/log.hpp"
#include "files/json.hpp"

namespace lact {

PosedView fitted_view(const Camera& c, const Image& fitted) {
  const Fit f = fit({int(c.width), int(c.height)}, fitted.height, fitted.width);
  PosedView out;
  const std::size_t plane = std::size_t(fitted.height) * std::size_t(fitted.width);
  out.rgb.resize(3 * plane);
  for (std::size_t i = 0; i < plane; ++i)
    for (std::size_t k = 0; k < 3; ++k) out.rgb[k * plane + i] = float(fitted.pixels[3 * i + k]) / 255.0f;
  out.intrinsics = {float(c.fx * f.scale), float(c.fy * f.scale), float(c.cx * f.scale - f.left),
                    float(c.cy * f.scale - f.top)};
  std::copy(c.c2w.begin(), c.c2w.end(), out.c2w.begin());
  return out;
}

std::optional<Image> PictureCache::find(const Key& key) {
  std::lock_guard lock(mutex_);
  auto place = places_.find(key);
  if (place == places_.end()) return {};
  entries_.splice(entries_.begin(), entries_, place->second);
  return place->second->image;
}

void PictureCache::keep(const Key& key, const Image& image) {
  std::lock_guard lock(mutex_);
  const auto size = std::int64_t(image.pixels.size());
  if (size > limit_ || places_.contains(key)) return;  // another thread may have decoded the same view meanwhile
  entries_.push_front({key, image});
  places_[key] = entries_.begin();
  used_ += size;
  while (used_ > limit_) {
    used_ -= std::int64_t(entries_.back().image.pixels.size());
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

std::int64_t PictureCache::bytes() const {
  std::lock_guard lock(mutex_);
  return used_;
}

namespace fs = std::filesystem;

SceneFolder::SceneFolder(const std::string& path, std::int64_t cache_bytes) : cache_(cache_bytes) {
  std::error_code e;
  const bool folder = fs::is_directory(path, e);
  const std::string file = folder ? (fs::path(path) / "opencv_cameras.json").string() : path;
  constexpr std::string_view formats =
      "a scene folder with opencv_cameras.json, such a camera file, or an index (a JSON list of camera files)";
  check(fs::exists(file, e), "{}: {}; data.path takes {}", path,
        folder ? "this folder has no opencv_cameras.json" : "no such file or folder", formats);
  Json list;
  try {
    list = Json::read(file);
  } catch (const Error& error) {
    fail("{}; data.path takes {}", error.what(), formats);
  }
  check(list.is_array(), "{}: neither a camera file nor an index; data.path takes {}", file, formats);
  check(list.size() > 0, "{}: the list is empty", file);
  if (!list.at(0).is_text()) {
    add_scene(file, cameras_of(list, file));
    return;
  }
  for (const Json& entry : list.items()) {
    const fs::path named = entry.text();
    check(!named.empty(), "{} is empty", entry.where());
    const std::string camera_file = (fs::path(file).parent_path() / named).lexically_normal().string();
    check(fs::exists(camera_file, e), "{}: no such camera file, named by {}", camera_file, entry.where());
    add_scene(camera_file, load_cameras(camera_file));
  }
}

void SceneFolder::add_scene(const std::string& camera_file, std::vector<Camera> cameras) {
  const std::string folder = fs::absolute(camera_file).lexically_normal().parent_path().filename().string();
  std::string name = folder;  // scenes of one name are numbered: files are written under it
  for (int n = 2; std::ranges::find(scenes_, name, &Scene::name) != scenes_.end(); ++n)
    name = folder + "_" + std::to_string(n);
  bool warned = false;
  for (Camera& c : cameras) {
    const ImageSize size = image_size(c.image);
    if (!warned && c.width > 0 && c.height > 0 && (c.width != size.width || c.height != size.height)) {
      log::warning("{}: is {} x {}, but its camera says {} x {}; the camera is taken to be in pixels of the picture",
                   c.image, size.width, size.height, c.width, c.height);
      warned = true;
    }
    c.width = size.width, c.height = size.height;
  }
  scenes_.push_back({name, std::move(cameras)});
}

const SceneFolder::Scene& SceneFolder::scene(std::int64_t s) const {
  check(s >= 0 && s < scenes(), "there is no scene {} among {}", s, scenes());
  return scenes_[std::size_t(s)];
}

std::string SceneFolder::scene_name(std::int64_t s) const { return scene(s).name; }
std::int64_t SceneFolder::views(std::int64_t s) const { return std::int64_t(scene(s).cameras.size()); }

Camera SceneFolder::camera(std::int64_t s, std::int64_t view) const {
  check(view >= 0 && view < views(s), "scene '{}' has no view {} among {}", scene_name(s), view, views(s));
  return scene(s).cameras[std::size_t(view)];
}

PosedView SceneFolder::load(std::int64_t s, std::int64_t view, std::int64_t height, std::int64_t width) const {
  const Camera c = camera(s, view);
  const PictureCache::Key key{s, view, height, width};
  std::optional<Image> image = cache_.find(key);
  if (!image) {
    image = resize_and_crop(decode_image(c.image), int(height), int(width));
    cache_.keep(key, *image);
  }
  return fitted_view(c, *image);
}

}  // namespace lact
