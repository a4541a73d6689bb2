#include "data/views/config.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace lact {
namespace {

void check_indices(const char* key, std::vector<std::int64_t> list) {
  std::sort(list.begin(), list.end());
  if (list.empty()) return;
  check(list.front() >= 0, "data.{} holds {}; indices count from 0", key, list.front());
  const auto twice = std::adjacent_find(list.begin(), list.end());
  if (twice != list.end()) fail("data.{} holds {} twice", key, *twice);
}

}  // namespace

void check_data(const DataConfig& c) {
  check(c.image_size.size() == 2, "data.image_size has {} numbers; it wants two, height and width",
        c.image_size.size());
  for (std::int64_t side : c.image_size)
    check(side > 0 && side <= largest_fit, "data.image_size holds {}; a side is between 1 and {}", side, largest_fit);
  check(c.num_input_views > 0, "data.num_input_views is {}; at least one view is needed", c.num_input_views);
  check(c.num_target_views > 0, "data.num_target_views is {}; at least one view is needed", c.num_target_views);
  check(c.num_all_views >= c.num_input_views, "data.num_all_views is {}, fewer than data.num_input_views, {}",
        c.num_all_views, c.num_input_views);
  check(c.num_all_views >= c.num_target_views, "data.num_all_views is {}, fewer than data.num_target_views, {}",
        c.num_all_views, c.num_target_views);
  check_indices("held_out", c.held_out);
  check_indices("held_out_scenes", c.held_out_scenes);
  check_indices("eval_inputs", c.eval_inputs);
  check(c.damaged == "skip" || c.damaged == "refuse", "data.damaged={}: skip and refuse are known", c.damaged);
  check(c.threads >= 0 && c.threads <= 256, "data.threads is {}; between 0 and 256 threads can prepare samples",
        c.threads);
  check(c.cache_mb >= 0 && c.cache_mb <= (std::int64_t(1) << 30), "data.cache_mb is {}, not a sensible size",
        c.cache_mb);
}

}  // namespace lact
