// A chart as numbers: what is drawn over what, in which units. run/chart.hpp draws it.
#pragma once
#include <string>
#include <vector>

namespace lact {

struct Curve {
  std::string name;
  std::vector<double> x, y;  // equally many; what is not finite, or has no place on the scale, is left out
};

struct Scale {
  std::string label;       // with the unit
  bool log2 = false;       // doublings are equally far apart
  bool from_zero = false;  // otherwise from the least to the largest value
};

struct Chart {
  std::string title;
  Scale x, y;
  std::vector<Curve> curves;
};

}  // namespace lact
