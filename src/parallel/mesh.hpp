// A grid and its communicators, made once in one fixed order.
#pragma once
#include <array>
#include <functional>
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/grid.hpp"

namespace lact {

class Mesh {
 public:
  Mesh(Grid g, std::unique_ptr<Communicator> world);
  // Lines as `make` gives them, the world of all axes among them.
  using Make = std::function<std::unique_ptr<Communicator>(Axes along, const std::string& label)>;
  Mesh(Grid g, int rank, const Make& make);
  static Mesh alone() { return {Grid{}, self_communicator()}; }
  const Grid& grid() const { return grid_; }
  Communicator& world() { return *world_; }
  int at(Axis a) const { return grid_.place(rank_)[std::size_t(a)]; }
  // Every set of axes has one: Axes(dp) | cp is where the gradient of a weight is partial. Sets that differ in axes of
  // one rank only share it. Its label names the axes of more than one rank: "cp", "dp|cp"; "self" if there are none.
  Communicator& along(Axes a) { return *line_of_[a.bits]; }
  void meet_on(Device& device);  // all lines, in their order
  // World and lines, each once: for reports.
  std::vector<Communicator*> communicators();

 private:
  void make_lines(const Make& make);
  Grid grid_;
  int rank_;
  std::unique_ptr<Communicator> world_;
  std::vector<std::unique_ptr<Communicator>> lines_;
  std::array<Communicator*, 16> line_of_{};
};

}  // namespace lact
