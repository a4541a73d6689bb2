// Draws charts: axes with ticks and units, curves over one another in colours that differ for everybody and then in
// dashes, and a legend.
#pragma once
#include "base/chart.hpp"
#include "run/drawing.hpp"

namespace lact {

inline constexpr double chart_width = 960;

// Below each other.
Drawing drawn(const std::vector<Chart>& charts);
// OUT.svg, and OUT.png beside it; an error where the path does not end in .svg, before anything is written.
void check_picture_path(const std::string& svg_path);
void write_picture(const std::string& svg_path, const std::vector<Chart>& charts);
// The curves of several under one title, each named "NAME" or, where it has several, "NAME, CURVE".
void lay_over(std::vector<Chart>& charts, const std::vector<Chart>& more, const std::string& name);
// At most so many points, each the mean of those that lie behind one another.
Curve thinned(const Curve& curve, std::size_t most);

}  // namespace lact
