// A page of text, tables and plots in one file that needs no other: the plots are inline SVG.
#pragma once
#include <string>
#include <vector>

#include "base/chart.hpp"
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

class HtmlPage {
 public:
  explicit HtmlPage(const std::string& title);
  void heading(const std::string& text);
  void paragraph(const std::string& text);
  void table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);
  void bars(const std::vector<Bar>& bars, const std::string& unit);
  void lines(const std::string& text);  // as they stand, in letters of one width
  void charts(const std::vector<Chart>& charts);
  void timeline(const std::vector<Track>& tracks);  // nested spans below each other
  std::string text() const { return body_ + "</body></html>\n"; }

 private:
  void legend(const std::vector<std::string>& names);
  std::string body_;
};

}  // namespace lact
