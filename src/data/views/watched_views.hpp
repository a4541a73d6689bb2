// Damaged pictures are found when they are read, for nobody reads a large data set before it is used.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "data/views/view_source.hpp"

namespace lact {

// A source that remembers damaged pictures: other views may stand in for them, as data.damaged says.
class WatchedViews : public ViewSource {
 public:
  explicit WatchedViews(std::unique_ptr<ViewSource> source) : source_(std::move(source)) {}
  std::int64_t scenes() const override { return source_->scenes(); }
  std::string scene_name(std::int64_t scene) const override { return source_->scene_name(scene); }
  std::string scene_title(std::int64_t scene) const override { return source_->scene_title(scene); }
  std::int64_t views(std::int64_t scene) const override { return source_->views(scene); }
  Camera camera(std::int64_t scene, std::int64_t view) const override { return source_->camera(scene, view); }
  std::optional<FileReader> file(std::int64_t scene, std::int64_t view) const override {
    return source_->file(scene, view);
  }
  // Both throw DamagedPicture, the second time without reading again.
  Camera looked_at(std::int64_t scene, std::int64_t view) const override;
  PosedView load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const override;
  std::vector<std::string> damaged() const;  // a sentence for each that was found so far

 private:
  template <class Work>
  auto watched(std::int64_t scene, std::int64_t view, const Work& work) const;
  std::unique_ptr<ViewSource> source_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, DamagedPicture> damaged_;  // by scene and view
};

// What is wrong with pictures should show before the first step, and a start should not take long: some thousands,
// spread over all, are looked at for so long. Damaged ones are remembered, any other error is thrown.
void look_at_some(const WatchedViews& views, double seconds = 10);

}  // namespace lact
