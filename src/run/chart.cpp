#include "run/chart.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

// Okabe and Ito's, which differ for people who tell few colours apart; without black and yellow, which vanish on some
// background. https://jfly.uni-koeln.de/color/
constexpr const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
constexpr std::array<double, 2> dashes[] = {{0, 0}, {7, 3}, {2, 3}, {12, 4}};
constexpr double left = 60, right = 16, plot_height = 250, row = 18, letter = 7;  // a letter of the legend is so wide
constexpr std::size_t most_with_dots = 64;                                        // points of a curve
constexpr const char* grid_colour = "#cccccc";

std::string colour_of(std::size_t i) { return colours[i % std::size(colours)]; }
std::array<double, 2> dash_of(std::size_t i) { return dashes[i / std::size(colours) % std::size(dashes)]; }

// A step of 1, 2 or 5 times a power of ten that cuts `span` into at most six.
double tick(double span) {
  double step = std::pow(10, std::floor(std::log10(span / 6)));
  for (const double part : {1., 2., 5., 10.})
    if (step * part * 6 >= span) return step * part;
  return step * 10;
}

// From values to units of a drawing.
class Ruler {
 public:
  Ruler(const Scale& scale, const std::vector<double>& values, double begin, double end)
      : log2_(scale.log2), begin_(begin), end_(end) {
    bool any = scale.from_zero && !log2_;
    for (const double v : values) {
      if (!has(v)) continue;
      least_ = any ? std::min(least_, place(v)) : place(v), most_ = any ? std::max(most_, place(v)) : place(v);
      any = true;
    }
    if (least_ == most_) most_ = least_ + 1;
  }
  bool has(double v) const { return std::isfinite(v) && (!log2_ || v > 0); }
  double at(double v) const { return begin_ + (place(v) - least_) / (most_ - least_) * (end_ - begin_); }
  std::vector<double> ticks() const {
    const double step = log2_ ? std::max(1.0, std::ceil((most_ - least_) / 12)) : tick(most_ - least_);
    std::vector<double> all;
    for (auto i = std::int64_t(std::ceil(least_ / step - 1e-9)); double(i) * step <= most_ + 1e-9 * step; ++i)
      all.push_back(log2_ ? std::exp2(double(i) * step) : double(i) * step);
    return all;
  }

 private:
  double place(double v) const { return log2_ ? std::log2(v) : v; }
  bool log2_;
  double begin_, end_, least_ = 0, most_ = 0;
};

std::vector<double> values_of(const Chart& c, std::vector<double> Curve::*which) {
  std::vector<double> all;
  for (const Curve& curve : c.curves) all.insert(all.end(), (curve.*which).begin(), (curve.*which).end());
  return all;
}

// Names beside samples of their strokes, in rows; the y where the next thing may stand.
double draw_legend(Drawing& d, const Chart& c, double y) {
  double x = left;
  for (std::size_t i = 0; i < c.curves.size(); ++i) {
    const double wide = 40 + letter * double(c.curves[i].name.size());
    if (x > left && x + wide > d.width - right) x = left, y += row;
    d.strokes.push_back({{{x, y - 4}, {x + 24, y - 4}}, colour_of(i), 2, dash_of(i)});
    d.labels.push_back({{x + 30, y}, Label::begin, c.curves[i].name});
    x += wide + 10;
  }
  return y + row;
}

void draw_axes(Drawing& d, const Chart& c, const Ruler& x, const Ruler& y, double top, double bottom) {
  for (const double v : y.ticks()) {
    d.strokes.push_back({{{left, y.at(v)}, {d.width - right, y.at(v)}}, grid_colour});
    d.labels.push_back({{left - 6, y.at(v) + 4}, Label::end, fill("{:.6g}", {std::abs(v) < 1e-12 ? 0 : v})});
  }
  for (const double v : x.ticks()) {
    d.strokes.push_back({{{x.at(v), bottom}, {x.at(v), bottom + 4}}, "#666666"});
    d.labels.push_back({{x.at(v), bottom + 18},
                        Label::middle,
                        fill(std::abs(v) < 1 ? "{:.3g}" : "{:.7g}", {std::abs(v) < 1e-12 ? 0 : v})});
  }
  d.strokes.push_back({{{left, top}, {left, bottom}, {d.width - right, bottom}}, "#666666"});
  d.labels.push_back({{d.width / 2, bottom + 36}, Label::middle, c.x.label});
  d.labels.push_back({{left, top - 8}, Label::begin, c.y.label});
}

void draw_curve(Drawing& d, const Curve& curve, std::size_t number, const Ruler& x, const Ruler& y) {
  check(curve.x.size() == curve.y.size(), "{}: {} places and {} values", curve.name, curve.x.size(), curve.y.size());
  Stroke stroke{{}, colour_of(number), 2, dash_of(number)};
  for (std::size_t i = 0; i < curve.x.size(); ++i) {
    if (!x.has(curve.x[i]) || !y.has(curve.y[i])) continue;
    stroke.places.emplace_back(x.at(curve.x[i]), y.at(curve.y[i]));
    if (curve.x.size() <= most_with_dots)
      d.dots.push_back(
          {stroke.places.back(), 3.5, stroke.colour, fill("{}: {:.6g}, {:.6g}", {curve.name, curve.x[i], curve.y[i]})});
  }
  if (stroke.places.size() > 1) d.strokes.push_back(std::move(stroke));
}

double draw_chart(Drawing& d, const Chart& c, double begin) {
  double y = begin + 24;
  if (!c.title.empty()) d.labels.push_back({{left, y}, Label::begin, c.title, true});
  if (!c.title.empty()) y += row + 4;
  const double top = draw_legend(d, c, y) + 16, bottom = top + plot_height;
  const Ruler across(c.x, values_of(c, &Curve::x), left, d.width - right),
      up(c.y, values_of(c, &Curve::y), bottom, top);
  draw_axes(d, c, across, up, top, bottom);
  for (std::size_t i = 0; i < c.curves.size(); ++i) draw_curve(d, c.curves[i], i, across, up);
  return bottom + 48;
}

}  // namespace

Drawing drawn(const std::vector<Chart>& charts) {
  Drawing d{.width = chart_width};
  for (const Chart& c : charts) d.height = draw_chart(d, c, d.height);
  return d;
}

void check_picture_path(const std::string& svg_path) {
  check(svg_path.size() > 4 && svg_path.ends_with(".svg"), "picture={} does not end in .svg", svg_path);
}

void write_picture(const std::string& svg_path, const std::vector<Chart>& charts) {
  check_picture_path(svg_path);
  const Drawing d = drawn(charts);
  write_whole(svg_path, svg_text(d, true));
  write_whole(svg_path.substr(0, svg_path.size() - 4) + ".png", png_bytes(d));
}

void lay_over(std::vector<Chart>& charts, const std::vector<Chart>& more, const std::string& name) {
  for (const Chart& c : more) {
    auto same = std::ranges::find(charts, c.title, &Chart::title);
    if (same == charts.end()) same = charts.insert(charts.end(), {c.title, c.x, c.y, {}});
    for (const Curve& curve : c.curves)
      same->curves.push_back({c.curves.size() == 1 ? name : name + ", " + curve.name, curve.x, curve.y});
  }
}

Curve thinned(const Curve& curve, std::size_t most) {
  if (curve.x.size() <= most) return curve;
  Curve out{curve.name, {}, {}};
  for (std::size_t i = 0; i < most; ++i) {
    const std::size_t begin = i * curve.x.size() / most, end = (i + 1) * curve.x.size() / most;
    double x = 0, y = 0;
    for (std::size_t k = begin; k < end; ++k) x += curve.x[k], y += curve.y[k];
    out.x.push_back(x / double(end - begin)), out.y.push_back(y / double(end - begin));
  }
  return out;
}

}  // namespace lact
