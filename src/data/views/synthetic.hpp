// Posed pictures without a download: scenes of a few textured solids, a function of a seed.
#pragma once
#include "base/config.hpp"
#include "data/views/scene_folder.hpp"
#include "data/views/synthetic_scene.hpp"

namespace lact {

struct SyntheticConfig {
  std::int64_t scenes = 8, views = 64, resolution = 256, seed = 0;
  void fields(Fields& f) {
    f("scenes", scenes, "generated scenes");
    f("views", views, "cameras around each generated scene");
    f("resolution", resolution, "side of the generated pictures as stored on disk, in pixels");
    f("seed", seed, "another family of generated scenes");
  }
};

// Cameras stand 2.7 from the origin, between 0 and 60 degrees above it, evenly spread and in random order, so that any
// few of them in a row are spread too; horizontal field of view 50 degrees, world z up. Scene s does not depend on how
// many there are.
class SyntheticScenes : public ViewSource {
 public:
  explicit SyntheticScenes(const SyntheticConfig& config, std::int64_t cache_bytes = std::int64_t(1) << 30);
  std::int64_t scenes() const override;
  std::string scene_name(std::int64_t scene) const override;  // "scene_0007"
  std::int64_t views(std::int64_t scene) const override;
  // Rendered at that size, not resized: sharp at any.
  PosedView load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const override;
  Camera camera(std::int64_t scene, std::int64_t view) const override;
  const synthetic::Scene& solids(std::int64_t scene) const;
  Image picture(std::int64_t scene, std::int64_t view) const;  // RGBA, as stored

 private:
  struct Made {
    synthetic::Scene scene;
    std::vector<Camera> cameras;
  };
  const Made& made(std::int64_t scene) const;
  std::vector<Made> made_;
  mutable PictureCache cache_;
};

// Writes for each scene folder/scene_0000/opencv_cameras.json with renderings/00000000_rgba.png and so on, and at the
// end folder/index.json, which may not be there before.
void write_dataset(const SyntheticScenes& source, const std::string& folder);

}  // namespace lact
