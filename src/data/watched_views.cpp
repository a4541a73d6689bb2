#include "data/watched_views.hpp"

#include "files/whole_file.hpp"

namespace lact {
namespace {

// An error of the system where there is one: a share that is gone for a while has damaged nothing.
void read_through(const std::string& path) {
  const FileReader file(path);
  std::string block(1 << 20, '\0');
  for (std::int64_t at = 0, n = 1; n > 0; at += n) n = file.read(block.data(), std::int64_t(block.size()), at);
}

}  // namespace

PosedView WatchedViews::load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const {
  {
    std::lock_guard lock(mutex_);
    if (const auto known = damaged_.find({scene, view}); known != damaged_.end()) throw known->second;
  }
  try {
    return source_->load(scene, view, height, width);
  } catch (const Error& e) {
    const std::string file = camera(scene, view).image;
    if (file.empty()) throw;
    read_through(file);
    std::lock_guard lock(mutex_);
    throw damaged_.try_emplace({scene, view}, DamagedPicture(e.what(), e.where())).first->second;
  }
}

std::vector<std::string> WatchedViews::damaged() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> sentences;
  for (const auto& [view, error] : damaged_) sentences.emplace_back(error.what());
  return sentences;
}

}  // namespace lact
