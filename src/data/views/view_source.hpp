// Where posed pictures come from: files on disk or the built-in generator. Reading is safe from several threads.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/views/cameras.hpp"

namespace lact {

struct PosedView {
  std::vector<float> rgb;             // planar [3, h, w] in [0, 1]
  std::array<float, 4> intrinsics{};  // fx fy cx cy in pixels of h x w
  std::array<float, 16> c2w{};        // camera to world, row-major
};

class ViewSource {
 public:
  virtual ~ViewSource() = default;
  virtual std::int64_t scenes() const = 0;
  virtual std::string scene_name(std::int64_t scene) const = 0;
  virtual std::string scene_title(std::int64_t scene) const {  // for sentences
    return "scene '" + scene_name(scene) + "'";
  }
  virtual std::int64_t views(std::int64_t scene) const = 0;
  // The view at `height` x `width`, resized and cropped as needed.
  virtual PosedView load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const = 0;
  // As a list of cameras says, whatever size its picture has; of a generated view at the size that would be stored.
  virtual Camera camera(std::int64_t scene, std::int64_t view) const = 0;
  // In pixels of its picture. How that begins and ends is judged as load() would, and costs much less.
  virtual Camera looked_at(std::int64_t scene, std::int64_t view) const { return camera(scene, view); }
  // Its picture's file, opened as load() does; none where it is generated.
  virtual std::optional<FileReader> file(std::int64_t, std::int64_t) const { return {}; }
};

}  // namespace lact
