// A page of text, tables and plots in one file that needs no other: the plots are inline SVG.
#pragma once
#include <string>
#include <vector>

#include "run/chrome_trace.hpp"

namespace lact {

struct BarPart {
  std::string name;
  double value = 0;
};
struct Bar {  // parts side by side
  std::string label;
  std::vector<BarPart> parts;
};
struct Series {
  std::string name;
  std::vector<double> x, y;
};

class HtmlPage {
 public:
  explicit HtmlPage(const std::string& title);
  void heading(const std::string& text);
  void paragraph(const std::string& text);
  void table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);
  void bars(const std::vector<Bar>& bars, const std::string& unit);
  void points(const std::vector<Series>& series, const std::string& x_name, const std::string& y_name);
  void timeline(const std::vector<Track>& tracks);  // nested spans below each other
  std::string text() const { return body_ + "</body></html>\n"; }

 private:
  void legend(const std::vector<std::string>& names);
  std::string body_;
};

}  // namespace lact
