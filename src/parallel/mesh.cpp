#include "parallel/mesh.hpp"

#include "base/check.hpp"

namespace lact {

Mesh::Mesh(Grid g, std::unique_ptr<Communicator> world) : grid_(g), world_(std::move(world)) {
  check(grid_.ranks() == world_->size(), "a grid of {} ranks over {} ranks", grid_.ranks(), world_->size());
  for (unsigned bits = 0; bits < 16; ++bits) {  // the same order on every rank
    Axes axes;
    axes.bits = std::uint8_t(bits);
    int color = grid_.line(world_->rank(), axes).front();
    lines_[axes.bits] = world_->split(color, world_->rank());
  }
}

}  // namespace lact
