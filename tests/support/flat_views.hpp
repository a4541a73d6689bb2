// A source without files, whose pictures may be damaged, or out of reach for a while.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "data/views/view_source.hpp"

namespace lact {

// Pictures of one colour that say which view they are, and note who asked for them.
class FlatViews : public ViewSource {
 public:
  std::int64_t scenes() const override { return 3; }
  std::string scene_name(std::int64_t s) const override { return "flat" + std::to_string(s); }
  std::int64_t views(std::int64_t) const override { return 10; }
  PosedView load(std::int64_t s, std::int64_t v, std::int64_t h, std::int64_t w) const override {
    ++loads[std::size_t(10 * s + v)];
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
    check(v != broken.load(), "picture {} is broken", v);
    if (damaged.contains(v) || s == damaged_scene)
      throw DamagedPicture("picture " + std::to_string(v) + " is damaged", "");
    PosedView view;
    view.rgb.assign(std::size_t(3 * h * w), float(100 * s + v));
    view.intrinsics = {1, 2, 3, float(v)};
    return view;
  }
  Camera camera(std::int64_t s, std::int64_t v) const override {
    Camera c{1, 2, 3, double(v), {1, 0, 0, double(v), 0, 1, 0, double(s), 0, 0, 1, 0, 0, 0, 0, 1}, 4, 4, ""};
    return c;
  }

  mutable std::array<std::atomic<int>, 30> loads{};
  std::atomic<std::int64_t> broken{-1};
  std::set<std::int64_t> damaged;
  std::int64_t damaged_scene = -1;
  std::chrono::milliseconds delay{0};
};

}  // namespace lact
