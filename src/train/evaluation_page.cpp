#include "train/evaluation_page.hpp"

#include "files/whole_file.hpp"
#include "run/chart.hpp"
#include "run/html_page.hpp"

namespace lact {

std::string write_evaluation(const std::string& run_dir, std::int64_t step, const Evaluation& e) {
  HtmlPage page(fill("{} at step {}", {run_dir, step}));
  page.paragraph(e.sentence);
  page.charts(e.charts);
  page.lines(e.table);
  write_whole(run_dir + "/evaluation.html", page.text());
  const std::string picture = run_dir + fill("/images/step_{:08d}.png", {step});
  write_whole(picture, png_bytes(drawn(e.charts)));
  return picture;
}

}  // namespace lact
