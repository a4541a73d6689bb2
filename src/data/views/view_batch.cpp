#include "data/views/view_batch.hpp"

namespace lact {

ViewBatch::ViewBatch(const Batch& b)
    : images(b.tensor("images")),
      intrinsics(b.tensor("intrinsics")),
      poses(b.tensor("poses")),
      input_views(b.size("input_views")),
      target_views(b.size("target_views")),
      valid(b.valid) {}

ViewBatch::operator Batch() const {
  return {{{"images", images}, {"intrinsics", intrinsics}, {"poses", poses}},
          {{"input_views", input_views}, {"target_views", target_views}},
          valid};
}

}  // namespace lact
