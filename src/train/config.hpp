// Everything a run can be told: one file, one struct, every key with a default and a sentence. What stands below
// `model` and `data` is its task's.
#pragma once
#include "models/tasks.hpp"
#include "parallel/health/blame.hpp"
#include "train/learner.hpp"

namespace lact {

struct TrainConfig : LearningConfig {
  std::int64_t seed = 0, batch_size = 1, accumulate = 1;
  bool deterministic = false;
  std::int64_t eval_every = 0, checkpoint_every = 0, checkpoint_seconds = 60, keep_checkpoints = 3;
  void fields(Fields& f);
};

struct RunConfig {
  struct Run {
    Path dir;
    void fields(Fields& f);
  } run;
  std::string task_name = default_task;
  AnyTask task = make_task(default_task);  // of that name
  Path model_file;
  TrainConfig train;
  struct Compute {
    std::string device = "best", cudnn = "attention";
    std::int64_t threads = 0;
    bool graphs = true;
    void fields(Fields& f);
  } compute;
  struct Parallel {
    std::string cp_mode = "auto";
    std::int64_t pp = 1, dp = 0, cp = 1, tp = 1, interleave = 1, timeout = 60, io_timeout = 1800;
    bool compare_calls = false;
    Patience patience() const { return {.timeout = double(timeout), .io_timeout = double(io_timeout)}; }
    void fields(Fields& f);
  } parallel;

  void fields(Fields& f);
  void check_values() const;  // impossible values are named; nothing has been touched yet

  // A config file, then key=value, which wins; `model.file` is read in between. Checked.
  static RunConfig load(const std::string& path, const std::vector<std::string>& overrides);
  static RunConfig from_overrides(const std::vector<std::string>& overrides);  // the defaults, then key=value
  // The resolved config stored with a run or a checkpoint, without reading model.file again.
  static RunConfig stored(const std::string& yaml, const std::string& source,
                          const std::vector<std::string>& overrides = {});

 private:
  static RunConfig of_task(std::string name, const std::vector<std::string>& overrides);
  static RunConfig completed(RunConfig c, const std::string& path, const std::vector<std::string>& overrides);
};

// Keys that differ and may not when a run goes on: everything but run.*, parallel.*, compute.*, train.precision, the
// *_every keys, a growing train.steps, and what the task says may change.
std::vector<Difference> forbidden_differences(RunConfig before, RunConfig now);

}  // namespace lact
