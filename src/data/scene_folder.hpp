// Posed photographs on disk.
#pragma once
#include <list>
#include <map>
#include <mutex>
#include <optional>

#include "data/images.hpp"
#include "data/inside.hpp"
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
// its folder. Opening checks every camera and, for some thousand pictures, how they begin and end; all others are
// checked when they are loaded, and pixels are decoded then. Scenes are named after their folders, those of one name
// with a number: "s", "s_2".
class SceneFolder : public ViewSource {
 public:
  struct Opening {
    bool follow_links = false;  // out of the folder of a scene
    bool look = true;           // at pictures; one of several ranks is enough
  };
  explicit SceneFolder(const std::string& path, std::int64_t cache_bytes = std::int64_t(1) << 30)
      : SceneFolder(path, cache_bytes, Opening()) {}
  SceneFolder(const std::string& path, std::int64_t cache_bytes, Opening opening);
  std::int64_t scenes() const override { return std::int64_t(scenes_.size()); }
  std::string scene_name(std::int64_t scene) const override;
  std::string scene_title(std::int64_t scene) const override;  // with its folder
  std::int64_t views(std::int64_t scene) const override;
  PosedView load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const override;
  // In pixels of the picture where it was looked at or loaded, else as the list says.
  Camera camera(std::int64_t scene, std::int64_t view) const override;
  Camera looked_at(std::int64_t scene, std::int64_t view) const;  // opens the picture for it

 private:
  struct Scene {
    std::string name;
    DatasetFolder folder;
    std::vector<Camera> cameras;
    mutable std::vector<ImageSize> sizes;  // of pictures; 0 x 0 of those not yet seen
  };
  const Scene& scene(std::int64_t s) const;
  void look_at_some();
  FileReader picture(std::int64_t scene, std::int64_t view) const;
  Camera measured(std::int64_t scene, std::int64_t view, ImageSize size) const;
  Opening opening_;
  std::vector<Scene> scenes_;
  mutable std::mutex sizes_mutex_;
  mutable PictureCache cache_;
};

}  // namespace lact
