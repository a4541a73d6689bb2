#include "run/html_page.hpp"

#include <algorithm>
#include <tuple>

#include "base/check.hpp"
#include "run/chart.hpp"

namespace lact {
namespace {

constexpr double width = 960, label_width = 170;
constexpr const char* colours[] = {"#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951",
                                   "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0"};

const char* colour(std::size_t i) { return colours[i % std::size(colours)]; }

std::string svg(double height, const std::string& inside) {
  return fill("<svg viewBox=\"0 0 {} {:.0f}\" width=\"100%\" role=\"img\">\n{}</svg>\n", {width, height, inside});
}

std::string rect(double x, double y, double w, double h, const char* fill_colour, const std::string& tip) {
  return fill(
      "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"><title>{}</title></rect>\n",
      {x, y, std::max(w, 0.3), h, fill_colour, xml_escaped(tip)});
}

std::string label(double x, double y, const char* anchor, const std::string& text) {
  return fill("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", {x, y, anchor, xml_escaped(text)});
}

std::size_t place_of(std::vector<std::string>& names, const std::string& name) {
  const auto it = std::ranges::find(names, name);
  if (it != names.end()) return std::size_t(it - names.begin());
  names.push_back(name);
  return names.size() - 1;
}

}  // namespace

HtmlPage::HtmlPage(const std::string& title) {
  body_ = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + xml_escaped(title) + R"(</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .15em .8em; text-align: right; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left }
svg text { font-size: 12px; fill: currentColor }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em }
</style></head><body>
<h1>)" + xml_escaped(title) +
          "</h1>\n";
}

void HtmlPage::heading(const std::string& text) { body_ += "<h2>" + xml_escaped(text) + "</h2>\n"; }
void HtmlPage::paragraph(const std::string& text) { body_ += "<p>" + xml_escaped(text) + "</p>\n"; }

void HtmlPage::table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  body_ += "<table><tr>";
  for (const std::string& h : header) body_ += "<th>" + xml_escaped(h) + "</th>";
  body_ += "</tr>\n";
  for (const auto& row : rows) {
    body_ += "<tr>";
    for (const std::string& cell : row) body_ += "<td>" + xml_escaped(cell) + "</td>";
    body_ += "</tr>\n";
  }
  body_ += "</table>\n";
}

void HtmlPage::legend(const std::vector<std::string>& names) {
  body_ += "<p>";
  for (std::size_t i = 0; i < names.size(); ++i)
    body_ += fill("<span class=\"key\" style=\"background:{}\"></span>{}", {colour(i), xml_escaped(names[i])});
  body_ += "</p>\n";
}

void HtmlPage::bars(const std::vector<Bar>& bars, const std::string& unit) {
  constexpr double row = 30, thick = 20, numbers = 110;
  double longest = 0, y = 4;
  for (const Bar& b : bars) {
    double sum = 0;
    for (const BarPart& p : b.parts) sum += p.value;
    longest = std::max(longest, sum);
  }
  std::vector<std::string> names;
  std::string inside;
  for (const Bar& b : bars) {
    double x = label_width, sum = 0;
    inside += label(label_width - 8, y + 15, "end", b.label);
    for (const BarPart& p : b.parts) {
      const std::size_t place = place_of(names, p.name);
      const double w = longest > 0 ? p.value / longest * (width - label_width - numbers) : 0;
      if (p.value > 0) inside += rect(x, y, w, thick, colour(place), fill("{}: {:.4g} {}", {p.name, p.value, unit}));
      x += w, sum += p.value;
    }
    inside += label(x + 6, y + 15, "start", fill("{:.4g} {}", {sum, unit}));
    y += row;
  }
  legend(names);
  body_ += svg(y, inside);
}

void HtmlPage::lines(const std::string& text) { body_ += "<pre>" + xml_escaped(text) + "</pre>\n"; }
void HtmlPage::charts(const std::vector<Chart>& charts) {
  for (const Chart& c : charts) body_ += svg_text(drawn({c}), false);
}

void HtmlPage::timeline(const std::vector<Track>& tracks) {
  constexpr double thick = 15, gap = 14;
  double first = 0, last = 0;
  bool any = false;
  for (const Track& t : tracks)
    for (const Span& s : t.spans) {
      first = any ? std::min(first, s.begin) : s.begin, last = any ? std::max(last, s.end) : s.end;
      any = true;
    }
  const double scale = (width - label_width) / std::max(last - first, 1e-9);
  std::vector<std::string> kinds;
  std::string inside;
  double y = 4;
  for (const Track& t : tracks) {
    inside += label(label_width - 8, y + 12, "end", t.name);
    std::vector<Span> spans = t.spans;
    std::erase_if(spans, [](const Span& s) { return s.beside; });
    std::ranges::stable_sort(spans, {}, [](const Span& s) { return std::tuple(s.begin, -s.end); });
    std::vector<double> open;  // ends of the spans around
    std::size_t deepest = 0;
    for (const Span& s : spans) {
      while (!open.empty() && open.back() <= s.begin) open.pop_back();
      inside +=
          rect(label_width + (s.begin - first) * scale, y + thick * double(open.size()), (s.end - s.begin) * scale,
               thick - 1, colour(place_of(kinds, s.kind)), fill("{}: {:.3f} ms", {s.name, (s.end - s.begin) * 1e3}));
      open.push_back(s.end);
      deepest = std::max(deepest, open.size());
    }
    y += thick * double(deepest) + gap;
  }
  legend(kinds);
  body_ += svg(y, inside);
}

}  // namespace lact
