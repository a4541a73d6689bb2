#include "base/check.hpp"
#include "run/drawing.hpp"

namespace lact {

std::string xml_escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string svg_text(const Drawing& d, bool on_white) {
  std::string out = fill(
      "<svg xmlns=\"{}\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" {}>\n",
      {"http://www.w3.org/2000/svg", d.width, d.height,
       on_white
           ? fill("width=\"{:.0f}\" height=\"{:.0f}\" font-family=\"sans-serif\" font-size=\"12\"", {d.width, d.height})
           : std::string("width=\"100%\"")});
  if (!on_white) out.erase(out.find(" xmlns"), out.find(" viewBox") - out.find(" xmlns"));  // a page knows it
  if (on_white) out += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  for (const Stroke& s : d.strokes) {
    out += "<path d=\"";
    for (std::size_t i = 0; i < s.places.size(); ++i)
      out += fill("{}{:.1f},{:.1f}", {i == 0 ? "M" : " L", s.places[i].first, s.places[i].second});
    out += fill("\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"", {s.colour, s.width});
    if (s.dash[0] > 0) out += fill(" stroke-dasharray=\"{} {}\"", {s.dash[0], s.dash[1]});
    out += "/>\n";
  }
  for (const Dot& p : d.dots)
    out += fill("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"><title>{}</title></circle>\n",
                {p.at.first, p.at.second, p.radius, p.colour, xml_escaped(p.tip)});
  for (const Label& w : d.labels)
    out += fill("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n",
                {w.at.first, w.at.second,
                 w.anchor == Label::begin    ? "start"
                 : w.anchor == Label::middle ? "middle"
                                             : "end",
                 w.bold ? " font-weight=\"bold\"" : "", xml_escaped(w.text)});
  return out + "</svg>\n";
}

}  // namespace lact
