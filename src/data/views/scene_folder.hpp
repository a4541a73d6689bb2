// Posed photographs on disk.
#pragma once
#include <list>
#include <map>
#include <mutex>
#include <optional>

#include "data/views/images.hpp"
#include "data/views/inside.hpp"
#include "data/views/view_source.hpp"

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
  struct Picture {
    Image fitted;
    ImageSize stored;  // of the file, where there is one
  };
  explicit PictureCache(std::int64_t bytes) : limit_(bytes) {}
  std::optional<Picture> find(const Key& key);
  void keep(const Key& key, const Picture& picture);
  std::int64_t bytes() const;

 private:
  struct Entry {
    Key key;
    Picture picture;
  };
  std::int64_t limit_, used_ = 0;
  std::list<Entry> entries_;  // the latest in front
  std::map<Key, std::list<Entry>::iterator> places_;
  mutable std::mutex mutex_;
};

// Reads a scene folder (with opencv_cameras.json), a camera file, or an index: a JSON list of camera files, relative to
// its folder. Opening checks every camera; pictures are opened when they are looked at or loaded. Scenes are named
// after their folders, those of one name with a number: "s", "s_2".
class SceneFolder : public ViewSource {
 public:
  // follow_links: out of the folder of a scene.
  explicit SceneFolder(const std::string& path, std::int64_t cache_bytes = std::int64_t(1) << 30,
                       bool follow_links = false);
  std::int64_t scenes() const override { return std::int64_t(scenes_.size()); }
  std::string scene_name(std::int64_t scene) const override;
  std::string scene_title(std::int64_t scene) const override;  // with its folder
  std::int64_t views(std::int64_t scene) const override;
  PosedView load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const override;
  Camera camera(std::int64_t scene, std::int64_t view) const override;
  Camera looked_at(std::int64_t scene, std::int64_t view) const override;
  std::optional<FileReader> file(std::int64_t scene, std::int64_t view) const override { return picture(scene, view); }

 private:
  struct Scene {
    std::string name;
    DatasetFolder folder;
    std::vector<Camera> cameras;
  };
  const Scene& scene(std::int64_t s) const;
  FileReader picture(std::int64_t scene, std::int64_t view) const;
  std::vector<Scene> scenes_;
  mutable PictureCache cache_;
};

}  // namespace lact
