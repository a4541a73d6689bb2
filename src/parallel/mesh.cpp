#include "parallel/mesh.hpp"

#include "base/check.hpp"

namespace lact {
namespace {

std::string label_of(Axes axes) {
  std::string label;
  for (Axis a : {Axis::pp, Axis::dp, Axis::cp, Axis::tp})
    if (axes.has(a)) label += (label.empty() ? "" : "|") + std::string(name_of(a));
  return label.empty() ? "self" : label;
}

}  // namespace

Mesh::Mesh(Grid g, std::unique_ptr<Communicator> world) : grid_(g), rank_(world->rank()), world_(std::move(world)) {
  check(grid_.ranks() == world_->size(), "a grid of {} ranks over {} ranks", grid_.ranks(), world_->size());
  make_lines([this](Axes axes, const std::string& label) {
    return world_->split(grid_.line(rank_, axes).front(), rank_, label);
  });
}

Mesh::Mesh(Grid g, int rank, const Make& make) : grid_(g), rank_(rank) {
  world_ = make(Axes(Axis::pp) | Axis::dp | Axis::cp | Axis::tp, "world");
  make_lines(make);
}

void Mesh::make_lines(const Make& make) {
  unsigned shared = 0;  // axes of more than one rank
  for (std::size_t a = 0; a < 4; ++a)
    if (grid_.size[a] > 1) shared |= 1u << a;
  for (unsigned bits = 0; bits < 16; ++bits) {  // the same order on every rank; smaller sets come first
    Axes axes;
    axes.bits = std::uint8_t(bits & shared);
    if (axes.bits != bits) {
      line_of_[bits] = line_of_[axes.bits];
      continue;
    }
    lines_.push_back(bits == 0 ? self_communicator() : make(axes, label_of(axes)));
    line_of_[bits] = lines_.back().get();
  }
}

void Mesh::meet_on(Device& device) {
  for (Communicator* c : communicators()) c->meet_on(device);
}

std::vector<Communicator*> Mesh::communicators() {
  std::vector<Communicator*> all{world_.get()};
  for (const auto& line : lines_)
    if (line->size() > 1) all.push_back(line.get());
  return all;
}

}  // namespace lact
