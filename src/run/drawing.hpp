// Marks at places, in units of a pixel from the top left, that become SVG for a page and PNG for everybody else.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lact {

using Point = std::pair<double, double>;

struct Stroke {  // lines from place to place
  std::vector<Point> places;
  std::string colour;  // "#0072b2"
  double width = 1;
  std::array<double, 2> dash{};  // drawn and left out, in turn; zeros draw all
};
struct Dot {
  Point at;
  double radius = 1;
  std::string colour, tip;  // the tip shows below a mouse, in SVG
};
struct Label {
  enum Anchor : std::uint8_t { begin, middle, end };
  Point at;
  Anchor anchor = begin;
  std::string text;
  bool bold = false;
};

// Later marks of a kind lie on earlier ones, labels on all.
struct Drawing {
  double width = 0, height = 0;
  std::vector<Stroke> strokes;
  std::vector<Dot> dots;
  std::vector<Label> labels;
};

std::string xml_escaped(const std::string& text);  // <, >, & and " are written as entities
// `on_white`: a file of its own; otherwise an element of a page, in whose colour the labels are.
std::string svg_text(const Drawing& d, bool on_white);
// Of twice as many pixels. Letters beyond ASCII may be missing: the font is the one that cairo brings along, so that a
// picture looks the same on machines without fonts.
std::string png_bytes(const Drawing& d);

}  // namespace lact
