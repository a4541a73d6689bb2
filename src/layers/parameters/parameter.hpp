// One parameter: its name, its shape, and which part of it a rank holds.
#pragma once
#include <optional>
#include <string>

#include "layers/parameters/initial_values.hpp"
#include "parallel/grid.hpp"
#include "tensor/tensor.hpp"

namespace lact {

// How a parameter is split over tp: seen as [outer, size, inner], each rank holds size / tp of the middle dim.
//   q, k, v stacked, [3 x 8, 5] as [3, 8, 5] on 2 ranks: rank 0 holds rows 0-3, 8-11, 16-19, rank 1 the others
struct TpSplit {
  std::int64_t outer = 1, size = 1, inner = 1;
  // Of a parameter of shape `whole`: the shape that each of `tp` ranks holds.
  Shape local(const Shape& whole, int tp) const;
};

class ParameterStore;
struct Parameter {
  std::string name;  // the original's state-dict name: in log, checkpoint, safetensors and reference file
  Shape shape;       // global
  Init init;
  std::optional<TpSplit> split;  // none: every rank of tp holds it whole
  Shape local;                   // what this rank holds
  // Where ranks hold the same numbers and gradients are partial.
  Axes replicated_on = Axes(Axis::dp) | Axis::cp | Axis::tp;
  bool decayed = true;  // false: a scale, a norm, a bias or a logarithm, whatever its shape
  bool here = true;     // false: on another stage of the pipeline
  ParameterStore* store = nullptr;
  std::size_t bucket = 0;  // place of the flat numbers
  Range range;
  std::int64_t count() const { return count_of(shape); }
  // Weight decay is for matrices and fast weights, not for norms, biases and the like.
  bool decays() const { return decayed && shape.size() >= 2; }
};

// The place in the whole parameter of element `i` of the piece that rank `at` of `tp` holds.
std::int64_t whole_index(const Parameter& p, int at, int tp, std::int64_t i);

}  // namespace lact
