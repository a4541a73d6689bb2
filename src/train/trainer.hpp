// A run: its folder, its model, its loop.
#pragma once
#include <atomic>
#include <deque>
#include <optional>

#include "data/loader.hpp"
#include "run/checkpoint.hpp"
#include "run/report.hpp"
#include "train/config.hpp"
#include "train/run_folder.hpp"

namespace lact {

// Device, mesh, parameters and model of a config: what training, evaluation and rendering all need.
struct LoadedModel {
  explicit LoadedModel(const RunConfig& cfg);                              // on one rank, whatever parallel.* says
  LoadedModel(const RunConfig& cfg, std::unique_ptr<Communicator> world);  // in the layout of parallel.*
  LoadedModel(const RunConfig& cfg, std::unique_ptr<Mesh> mesh, std::unique_ptr<Device> device);
  RunConfig config;
  std::unique_ptr<Device> device;
  std::unique_ptr<Mesh> mesh;
  ParameterStore store;
  std::unique_ptr<Model> model;  // it knows the stages of the pipeline
  Ctx context(Tape* tape = nullptr) {
    return {tape, *device, *mesh, std::uint64_t(config.train.seed), 0, config.train.activations()};
  }
  bool first_rank() const { return mesh->world().rank() == 0; }
};

// This rank's samples of a micro-batch; `valid` is that of the whole global batch.
Batch micro_batch(Loader& loader, const RunConfig& cfg, const Mesh& mesh, std::int64_t step, std::int64_t micro);

enum class Ended : std::uint8_t { finished, stopped };  // stopped: on request, resumable

class Trainer {
 public:
  // Checks data, model and run folder; goes on from the newest checkpoint that loads. Nothing is written before all of
  // that succeeded.
  Trainer(const RunConfig& cfg, std::unique_ptr<Communicator> world);
  // Until train.steps, or until `stop` becomes true; then the step is finished and saved.
  Ended run(const std::atomic<bool>& stop);

 private:
  // A step that the device was asked for and whose report the host has not read yet.
  struct BegunStep {
    double begin = 0, asking = 0;  // when the host began to ask for it, and how long that took
    std::size_t peak = 0;          // bytes on the device
    Traffic::Row exchanged;
  };
  bool alone() const { return loaded_.mesh->world().size() == 1; }
  void resume();
  void begin_folder();
  void tell_where();  // hosts, layout, transports and libraries: the first lines of a run
  Batch draw(std::int64_t step, std::int64_t micro);
  Ended loop(const std::atomic<bool>& stop, class Progress& progress);
  void begin_step(std::int64_t step, const std::function<Wishes()>& wishes);
  // Reads and writes the reports of the steps that have begun, but for one that may be read later: a GPU computes while
  // the host asks for the next. The wishes of any rank in them.
  Wishes report_steps(class Progress& progress, bool all);
  bool report_may_wait() const;
  Wishes report_first_step(class Progress& progress);
  void write_row(const StepReport& r, double seconds, const BegunStep& step, class Progress& progress);
  bool evaluation_is_owed();
  void evaluate_now(std::int64_t step);
  void save(std::int64_t step);

  RunConfig cfg_;
  std::unique_ptr<Dataset> data_;
  LoadedModel loaded_;
  Learner learner_;
  std::unique_ptr<Samples> samples_;
  Loader loader_;
  std::unique_ptr<Evaluator> evaluator_;
  std::int64_t first_step_ = 0, done_ = 0, saved_step_ = -1;
  std::deque<BegunStep> begun_;
  Traffic::Row exchanged_;  // by the last step that was no graph
  double reported_at_ = 0;  // when the last report was read
  bool saving_ = false;     // a save is under way, or failed
  std::optional<FolderLock> lock_;
  std::unique_ptr<Report> report_;
  double peak_flops_ = 0;  // measured product rate of this machine
};

// Runs `body` on the ranks of `world`, or, with train.deterministic, on those of the finest layout that they play, with
// a config for these.
void on_ranks(const RunConfig& cfg, std::unique_ptr<Communicator> world,
              const std::function<void(const RunConfig&, std::unique_ptr<Communicator>)>& body);
// Trains on all ranks of `world`; all of them call it. With train.deterministic they play those of the finest layout,
// see docs/conventions.md.
Ended train(const RunConfig& cfg, std::unique_ptr<Communicator> world, const std::atomic<bool>& stop);

// Loads the newest checkpoint of a run into the store: the newest that loads, warning about damaged ones.
// `step` < 0 when there is none. An error if there are some and none loads. `samples_per_step`: of a run that goes on,
// whose checkpoints say how many samples they have seen; 0 takes any.
TrainState load_newest(const std::string& run_folder, LoadedModel& s, std::int64_t samples_per_step = 0);

}  // namespace lact
