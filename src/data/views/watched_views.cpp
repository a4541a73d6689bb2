#include "data/views/watched_views.hpp"

#include <algorithm>
#include <numbers>
#include <numeric>

#include "base/log.hpp"
#include "base/slow.hpp"

namespace lact {

template <class Work>
auto WatchedViews::watched(std::int64_t scene, std::int64_t view, const Work& work) const {
  {
    std::lock_guard lock(mutex_);
    if (const auto known = damaged_.find({scene, view}); known != damaged_.end()) throw known->second;
  }
  try {
    return work();
  } catch (const DamagedPicture& e) {
    std::lock_guard lock(mutex_);
    damaged_.try_emplace({scene, view}, e);
    throw;
  }
}

Camera WatchedViews::looked_at(std::int64_t scene, std::int64_t view) const {
  return watched(scene, view, [&] { return source_->looked_at(scene, view); });
}

PosedView WatchedViews::load(std::int64_t scene, std::int64_t view, std::int64_t height, std::int64_t width) const {
  return watched(scene, view, [&] { return source_->load(scene, view, height, width); });
}

std::vector<std::string> WatchedViews::damaged() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> sentences;
  for (const auto& [view, error] : damaged_) sentences.emplace_back(error.what());
  return sentences;
}

void look_at_some(const WatchedViews& views, double seconds) {
  constexpr std::int64_t most = 4096;
  std::vector<std::int64_t> ends;  // of scenes, in a row of all views
  std::int64_t all = 0, looked = 0, scaled = 0;
  for (std::int64_t s = 0; s < views.scenes(); ++s) ends.push_back(all += views.views(s));
  // Steps of the golden section through that row: wherever they end, they are spread over all of it, and never meet.
  auto step = std::max<std::int64_t>(1, std::int64_t(double(all) / std::numbers::phi));
  while (std::gcd(step, all) > 1) ++step;
  std::string first;
  Slow slow("looking at pictures");
  for (std::int64_t at = 0; looked < std::min(all, most) && slow.seconds() < seconds; at = (at + step) % all) {
    const auto s = std::ranges::upper_bound(ends, at) - ends.begin();
    const std::int64_t v = at - (s > 0 ? ends[std::size_t(s - 1)] : 0);
    slow.at(++looked, std::min(all, most));
    Camera c;
    try {
      c = views.looked_at(s, v);
    } catch (const DamagedPicture&) {
      continue;
    }
    const Camera listed = views.camera(s, v);
    if (listed.width > 0 && listed.height > 0 && (listed.width != c.width || listed.height != c.height) &&
        scaled++ == 0)
      first =
          fill("{} is {} x {}, but its camera says {} x {}", {c.image, c.width, c.height, listed.width, listed.height});
  }
  if (scaled > 0)
    log::warning("{}: fx, fy, cx and cy are scaled to the picture, as for {} of {} pictures", first, scaled, looked);
  if (looked < std::min(all, most))
    log::info("{} of {} pictures were looked at in {} s; the others are when they are loaded", looked, all, seconds);
}

}  // namespace lact
