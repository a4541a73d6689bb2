// Damaged pictures are found when they are read, for nobody reads a large data set before it is used.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "base/check.hpp"
#include "data/view_source.hpp"

namespace lact {

// The file of a view holds no picture, now and for every rank. Other views may stand in for it, as data.damaged says.
class DamagedPicture : public Error {
 public:
  using Error::Error;
};

// A source that tells damaged pictures from what the system cannot read, and remembers them.
class WatchedViews : public ViewSource {
 public:
  explicit WatchedViews(std::unique_ptr<ViewSource> source) : source_(std::move(source)) {}
  std::int64_t scenes() const override { return source_->scenes(); }
  std::string scene_name(std::int64_t scene) const override { return source_->scene_name(scene); }
  std::string scene_title(std::int64_t scene) const override { return source_->scene_title(scene); }
  std::int64_t views(std::int64_t scene) const override { return source_->views(scene); }
  Camera camera(std::int64_t scene, std::int64_t view) const override { return source_->camera(scene, view); }
  // Throws DamagedPicture, the second time without reading again.
  PosedView load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const override;
  std::vector<std::string> damaged() const;  // a sentence for each that was found so far

 private:
  std::unique_ptr<ViewSource> source_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, DamagedPicture> damaged_;  // by scene and view
};

}  // namespace lact
