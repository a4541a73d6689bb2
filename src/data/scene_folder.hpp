// Posed photographs on disk.
#pragma once
#include <list>
#include <map>
#include <mutex>
#include <optional>

#include "data/images.hpp"
#include "data/view_source.hpp"

namespace lact {

// The view that a stored camera gives of its picture after resize_and_crop.
PosedView fitted_view(const Camera& stored, const Image& fitted);

// Resized pictures, the ones not asked for longest dropped first. Safe from several threads.
class PictureCache {
 public:
  struct Key {
    std::int64_t scene, view, height, width;
    auto operator<=>(const Key&) const = default;
  };
  explicit PictureCache(std::int64_t bytes) : limit_(bytes) {}
  std::optional<Image> find(const Key& key);
  void keep(const Key& key, const Image& image);
  std::int64_t bytes() const;

 private:
  struct Entry {
    Key key;
    Image image;
  };
  std::int64_t limit_, used_ = 0;
  std::list<Entry> entries_;  // the latest in front
  std::map<Key, std::list<Entry>::iterator> places_;
  mutable std::mutex mutex_;
};

// Reads a scene folder (with opencv_cameras.json), a camera file, or an index: a JSON list of camera files, relative to
// its folder. Opening checks every camera and the header of every picture; pixels are decoded when asked for.
class SceneFolder : public ViewSource {
 public:
  explicit SceneFolder(const std::string& path, std::int64_t cache_bytes = std::int64_t(1) << 30);
  std::int64_t scenes() const override { return std::int64_t(scenes_.size()); }
  std::string scene_name(std::int64_t scene) const override;  // the name of its folder
  std::int64_t views(std::int64_t scene) const override;
  PosedView load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const override;
  Camera camera(std::int64_t scene, std::int64_t view) const override;

 private:
  struct Scene {
    std::string name;
    std::vector<Camera> cameras;
  };
  const Scene& scene(std::int64_t s) const;
  void add_scene(const std::string& camera_file, std::vector<Camera> cameras);
  std::vector<Scene> scenes_;
  mutable PictureCache cache_;
};

}  // namespace lact
