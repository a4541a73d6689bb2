// The line a person watches while a run trains.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace lact {

struct ProgressRow {
  std::int64_t step = 0;  // steps done
  double loss = 0;
  std::string of_task;  // what the task says of the loss
  double tokens_per_second = 0;
};

// "step 120/600  loss 0.0123  ...  3.2k tokens/s  1m05s left"; without `seconds_left` the last part is left
// out.
std::string progress_line(const ProgressRow& row, std::int64_t steps, std::optional<double> seconds_left);
std::string duration_text(double seconds);  // "12s", "1m05s", "2h03m", "3d04h"

// Shows rows on stderr, not more often than a reader can use: 10 times a second where a line is rewritten, every 5 s
// where lines pile up; the last step always. The time left follows from the mean pace since the start, evaluations
// included.
class Progress {
 public:
  using Clock = std::function<double()>;  // seconds from any start
  Progress(std::int64_t first_step, std::int64_t steps);
  Progress(std::int64_t first_step, std::int64_t steps, double seconds_between, Clock now);
  bool show(const ProgressRow& row);  // true when the row became a line

 private:
  std::int64_t first_step_, steps_;
  double seconds_between_;
  Clock now_;
  double started_;
  std::optional<double> shown_;
};

}  // namespace lact
