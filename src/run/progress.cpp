#include "run/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"

namespace lact {
namespace {

std::string short_count(double x) {  // 3.2k, 41k, 1.2M
  constexpr std::array<const char*, 5> units = {"", "k", "M", "G", "T"};
  std::size_t u = 0;
  for (; x >= 999.5 && u + 1 < units.size(); ++u) x /= 1000;
  return u > 0 && x < 9.95 ? sentence("{:.1f}{}", x, units[u]) : sentence("{:.0f}{}", x, units[u]);
}

}  // namespace

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds > 1e9) return "?";
  const auto s = std::int64_t(std::ceil(std::max(seconds, 0.0)));
  if (s < 60) return sentence("{}s", s);
  if (s < 3600) return sentence("{}m{:02d}s", s / 60, s % 60);
  if (s < 86400) return sentence("{}h{:02d}m", s / 3600, s % 3600 / 60);
  return sentence("{}d{:02d}h", s / 86400, s % 86400 / 3600);
}

std::string progress_line(const ProgressRow& row, std::int64_t steps, std::optional<double> seconds_left) {
  std::string line = sentence("step {}/{}  loss {:.4g}", row.step, steps, row.loss);
  if (!row.of_task.empty()) line += "  " + row.of_task;
  line += sentence("  {} tokens/s", short_count(row.tokens_per_second));
  if (seconds_left) line += sentence("  {} left", duration_text(*seconds_left));
  return line;
}

Progress::Progress(std::int64_t first_step, std::int64_t steps)
    : Progress(first_step, steps, isatty(STDERR_FILENO) ? 0.1 : 5.0, steady_seconds) {}

Progress::Progress(std::int64_t first_step, std::int64_t steps, double seconds_between, Clock now)
    : first_step_(first_step),
      steps_(steps),
      seconds_between_(seconds_between),
      now_(std::move(now)),
      started_(now_()) {}

bool Progress::show(const ProgressRow& row) {
  const double now = now_();
  if (shown_ && now - *shown_ < seconds_between_ && row.step < steps_) return false;
  shown_ = now;
  std::optional<double> left;
  if (row.step > first_step_) left = (now - started_) / double(row.step - first_step_) * double(steps_ - row.step);
  log::progress(progress_line(row, steps_, left));
  return true;
}

}  // namespace lact
