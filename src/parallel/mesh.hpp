// A grid and its communicators, made once in one fixed order.
#pragma once
#include <map>

#include "parallel/communicator.hpp"
#include "parallel/grid.hpp"

namespace lact {

class Mesh {
 public:
  Mesh(Grid g, std::unique_ptr<Communicator> world);
  static Mesh alone() { return {Grid{}, self_communicator()}; }
  const Grid& grid() const { return grid_; }
  Communicator& world() { return *world_; }
  int at(Axis a) const { return grid_.place(world_->rank())[std::size_t(a)]; }
  // Every set of axes has one: Axes(dp) | cp is where the gradient of a weight is partial.
  Communicator& along(Axes a) { return *lines_.at(a.bits); }

 private:
  Grid grid_;
  std::unique_ptr<Communicator> world_;
  std::map<std::uint8_t, std::unique_ptr<Communicator>> lines_;
};

}  // namespace lact
