#include "data/views/scene_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <unordered_set>

#include "base/check.hpp"
#include "base/slow.hpp"
#include "files/json.hpp"
#include "files/kind.hpp"

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

std::optional<PictureCache::Picture> PictureCache::find(const Key& key) {
  std::lock_guard lock(mutex_);
  auto place = places_.find(key);
  if (place == places_.end()) return {};
  entries_.splice(entries_.begin(), entries_, place->second);
  return place->second->picture;
}

void PictureCache::keep(const Key& key, const Picture& picture) {
  std::lock_guard lock(mutex_);
  const auto size = std::int64_t(picture.fitted.pixels.size());
  if (size > limit_ || places_.contains(key)) return;  // another thread may have decoded the same view meanwhile
  entries_.push_front({key, picture});
  places_[key] = entries_.begin();
  used_ += size;
  while (used_ > limit_) {
    used_ -= std::int64_t(entries_.back().picture.fitted.pixels.size());
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

std::int64_t PictureCache::bytes() const {
  std::lock_guard lock(mutex_);
  return used_;
}

namespace {

namespace fs = std::filesystem;
constexpr std::string_view formats =
    "data.path takes a scene folder with opencv_cameras.json, such a camera file, or an index (a JSON list of camera "
    "files)";

// Scenes are named by their folders, and those of one name are numbered: files are written under these names.
class Names {
 public:
  std::string fresh(const std::string& folder) {
    std::string name = folder;
    for (int& n = last_.try_emplace(folder, 1).first->second; !taken_.insert(name).second;)
      name = folder + "_" + std::to_string(++n);
    return name;
  }

 private:
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, int> last_;  // number by folder
};

Json read_list(const std::string& file) {
  const FileKind found = kind_of(file);
  check(found.kind == FileKind::unknown, "{}: {}; {}", file, found.words, formats);
  Json list;
  try {
    list = Json::read(file);
  } catch (const Error& error) {
    fail("{}; {}", error.what(), formats);
  }
  check(list.is_array(), "{}: neither a camera file nor an index; {}", file, formats);
  check(list.size() > 0, "{}: the list is empty", file);
  return list;
}

}  // namespace

SceneFolder::SceneFolder(const std::string& path, std::int64_t cache_bytes, bool follow_links) : cache_(cache_bytes) {
  std::error_code e;
  check(path.find('\0') == path.npos, "data.path={} is not a path", path);
  const bool folder = fs::is_directory(path, e);
  const std::string file = folder ? (fs::path(path) / "opencv_cameras.json").string() : path;
  check(fs::exists(file, e), "{}: {}; {}", path,
        folder ? "this folder has no opencv_cameras.json" : "no such file or folder", formats);
  const Json list = read_list(file);
  Names names;
  auto add = [&](const std::string& camera_file, std::vector<Camera> cameras) {
    const std::string name = fs::absolute(camera_file).lexically_normal().parent_path().filename().string();
    scenes_.push_back({names.fresh(name), DatasetFolder(fs::path(camera_file).parent_path().string(), follow_links),
                       std::move(cameras)});
    if (folder || camera_file != file) scenes_.back().folder.check_inside(FileReader(camera_file));
  };
  if (!list.at(0).is_text()) {
    add(file, cameras_of(list, file));
  } else {
    Slow slow("opening scenes");
    for (const Json& entry : list.items()) {
      check(!entry.text().empty(), "{} is empty", entry.where());
      const std::string camera_file = fs::path(path_inside(entry, file)).lexically_normal().string();
      check(fs::exists(camera_file, e), "{}: no such camera file, named by {}", camera_file, entry.where());
      add(camera_file, load_cameras(camera_file));
      slow.at(scenes(), list.size());
    }
  }
}

const SceneFolder::Scene& SceneFolder::scene(std::int64_t s) const {
  check(s >= 0 && s < scenes(), "there is no scene {} among {}", s, scenes());
  return scenes_[std::size_t(s)];
}

std::string SceneFolder::scene_name(std::int64_t s) const { return scene(s).name; }
std::string SceneFolder::scene_title(std::int64_t s) const {
  return "scene '" + scene_name(s) + "' (" + scene(s).folder.path() + ")";
}
std::int64_t SceneFolder::views(std::int64_t s) const { return std::int64_t(scene(s).cameras.size()); }

Camera SceneFolder::camera(std::int64_t s, std::int64_t view) const {
  check(view >= 0 && view < views(s), "{} has no view {} among {}", scene_title(s), view, views(s));
  return scene(s).cameras[std::size_t(view)];
}

FileReader SceneFolder::picture(std::int64_t s, std::int64_t view) const {
  FileReader file = open_picture(camera(s, view).image);
  scene(s).folder.check_inside(file);
  return file;
}

Camera SceneFolder::looked_at(std::int64_t s, std::int64_t view) const {
  return in_pixels_of(camera(s, view), image_size(picture(s, view)));
}

PosedView SceneFolder::load(std::int64_t s, std::int64_t view, std::int64_t height, std::int64_t width) const {
  const PictureCache::Key key{s, view, height, width};
  if (const std::optional<PictureCache::Picture> known = cache_.find(key))
    return fitted_view(in_pixels_of(camera(s, view), known->stored), known->fitted);
  Image whole = decode_image(picture(s, view));
  const ImageSize stored{whole.width, whole.height};
  const Camera c = in_pixels_of(camera(s, view), stored);
  const Image fitted = reading(c.image, [&] { return resize_and_crop(std::move(whole), int(height), int(width)); });
  cache_.keep(key, {fitted, stored});
  return fitted_view(c, fitted);
}

}  // namespace lact
