// What a run tells: metrics.jsonl, one JSON object a line, and the same numbers as TensorBoard events.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "files/json.hpp"
#include "files/whole_file.hpp"
#include "run/tensorboard.hpp"

namespace lact {

struct StepRow {
  std::int64_t step = 0;
  double loss = 0, grad_norm = 0, lr = 0;
  std::int64_t tokens = 0;  // input and target tokens of the step, over all ranks
  double seconds = 0, tokens_per_second = 0;
  double model_flops = 0, mfu = 0;               // of the step; as a part of the measured matrix-product rate
  std::int64_t memory_bytes = 0;                 // peak
  NamedValues of_task;                           // what the task says of the loss
  std::string skipped;                           // why the optimizer did not move; empty when it did
  int ranks = 1;                                 // told, with what follows, where there are several
  std::int64_t collectives = 0, sent_bytes = 0;  // of this rank
  double exchange_seconds = 0;                   // in which it could do nothing else
};

class Report {
 public:
  // Goes on with the report in `run_folder` behind `last_step`: later rows and a torn last line are cut, in one
  // replacement of the file, so that no step stands twice. A fresh start passes -1.
  Report(const std::string& run_folder, std::int64_t last_step);
  void step(const StepRow& row);
  void evaluation(std::int64_t step, const NamedValues& values);                         // names begin with eval_
  void picture(std::int64_t step, const std::string& tag, const std::string& png_path);  // TensorBoard only
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  FileWriter file_;
  EventFile events_;
};

// The rows of the report in `run_folder`; none where there is no report. What stands behind the last line break is torn
// by whoever was killed while it wrote; a line that a crash of the machine damaged is left out with a warning, because
// a report is not worth a run.
void each_row(const std::string& run_folder, const std::function<void(const Json& row, std::string_view line)>& take);
// Whether it has an evaluation of this step.
bool has_evaluation(const std::string& run_folder, std::int64_t step);

}  // namespace lact
