// What a run learns: a model, the samples it learns from, and how it is judged. Training, plans, profiles, checkpoints
// and layouts see this contract and nothing behind it. A task is one folder below models/ and one line in tasks.cpp.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/chart.hpp"
#include "base/check.hpp"
#include "base/config.hpp"
#include "base/named_values.hpp"
#include "data/sample.hpp"
#include "files/json.hpp"
#include "layers/fast_weights/ttt.hpp"
#include "models/costs.hpp"

namespace lact {

// How well a model does on what is held out. The same on all ranks.
struct Evaluation {
  NamedValues values;             // named eval_*; none where nothing could be evaluated
  std::string why_empty;          // then
  std::string sentence;           // for a log
  std::string table;              // for a terminal: lines of all that was judged
  Json details = Json::object();  // members that `lact eval --json` prints beside the values
  // A line that stands below that of another run, and by how much the model is better than what needs none.
  struct Comparison {
    std::string line;
    double above_baseline = 0;
    std::string unit, baseline;  // "dB", "the held-out views are 3.10 dB above the better baseline"
  };
  std::optional<Comparison> comparison;
  std::string why_no_comparison;
  struct Picture {
    std::string title;
    std::function<void(const std::string& path)> write;  // a PNG; throws
  };
  std::optional<Picture> picture;
  // Curves of what is judged, which may lie over those of other runs: charts of one title have one meaning.
  std::vector<Chart> charts;
};

// What an evaluation needs cannot be read. All ranks throw it at once, so that whoever trains can go on without it.
class Unreadable : public Error {
 public:
  using Error::Error;
};

class Evaluator {
 public:
  virtual ~Evaluator() = default;
  virtual std::string judged() const = 0;  // "held-out views": what is evaluated
  // Where nothing is held out: "no view is held out (data.held_out)", and the mend, "set data.held_out=[...]". Empty
  // where something is.
  virtual std::string why_none() const = 0;
  virtual std::string mend() const = 0;
  virtual Evaluation evaluate(Ctx& c) = 0;  // collective
};

// The data of a config, opened. It outlives what it gives.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::string text() const = 0;  // "5 scenes"
  // Training samples as this rank of the mesh reads them: what its part of the model never looks at may be left out.
  virtual std::unique_ptr<Samples> samples(std::uint64_t seed, const Model& model, const Mesh& mesh) const = 0;
  // Impossible evaluations are an error here.
  virtual std::unique_ptr<Evaluator> evaluator(Model& model) const = 0;

  // Warns once of each damage found so far, by whichever rank. Collective.
  virtual void tell_damage(const Samples*, Communicator&) {}
  // Where damage may not be skipped: reads everything, an error names what is damaged. Collective.
  virtual void refuse_damage(Communicator&) const {}

  // Refuses to go on with the run in a folder that began with other data, at data.path=`before`; one rank judges. Where
  // only contents changed it may warn.
  virtual void check_same(const std::string& /*run_dir*/, const Path& /*before*/, bool /*has_steps*/) const {}
  // Writes into the folder of a run what it learns from, for check_same() and for people. Of a run that has steps the
  // record stays as it was.
  virtual void write_record(const std::string& /*run_dir*/, bool /*has_steps*/) const {}
  // To judge the run in a folder by these data, which may be others than it began with: what its config says of its own
  // data, such as which of them are held out, counts only as far as these are the same, or where the keys were told.
  virtual void judge_run(const std::string&, const std::vector<std::string>&) {}
};

// A class derived from it also has a `static constexpr const char* task_name`, by which AnyTask::as() tells it.
class Task {
 public:
  virtual ~Task() = default;
  virtual std::string name() const = 0;
  virtual std::unique_ptr<Task> clone() const = 0;

  // --- Its part of a config ---
  virtual void model_fields(Fields& f) = 0;  // keys below model:
  virtual void data_fields(Fields& f) = 0;   // keys below data:, `path` and `threads` among them
  virtual void check_values() const = 0;     // impossible values are named; nothing is touched
  virtual void reset_model() = 0;            // to the defaults, before a model file is read
  virtual void complete() {}                 // fills in lists that are empty, so that key=value may name their entries
  virtual std::string help_of_lists() const { return ""; }  // the keys of lists' entries, as describe() does
  virtual const Path& data_path() const = 0;
  virtual void set_data_path(const Path& path) = 0;
  virtual std::int64_t data_threads() const = 0;
  // Keys that say how data are read and not what they are: they may change when a run goes on.
  virtual bool may_change(const std::string& key) const = 0;
  // key=value pairs under which a sample has times/parts as many tokens; none where that cannot be.
  virtual std::vector<std::string> keys_of_scaled_samples(std::int64_t times, std::int64_t parts) const = 0;

  // --- What it costs ---
  virtual Costs costs(std::int64_t samples) const = 0;
  virtual Batch blank_batch(Device& d, std::int64_t samples) const = 0;  // shapes alone, for plans; valid is 1
  virtual Batch noise_batch(Device& d, std::int64_t samples) const = 0;  // numbers that a step can compute with
  // Where the host's memory is used up: what of it so many samples take, as the end of a sentence.
  virtual std::string memory_of_samples(std::int64_t samples) const = 0;

  // --- What it is made of ---
  virtual std::unique_ptr<Model> make_model(ParameterStore& store, CpMode mode) const = 0;
  // Opens data.path. `looks`: at some of it, so that damage shows before the first step; of several ranks one is
  // enough.
  virtual std::unique_ptr<Dataset> open_data(bool looks) const = 0;
  // The same data under these keys, where others of the task's have opened them: for samples of another size.
  virtual std::unique_ptr<Dataset> share_data(const Dataset& /*open*/) const { return open_data(false); }
  // What else a row of the report says of a loss, and a person reads while the run trains ("PSNR 19.1 dB").
  virtual NamedValues values_of_loss(double) const { return {}; }
  virtual std::string text_of_loss(double) const { return ""; }
};

// A task as a value: a copy of a config has one of its own.
class AnyTask {
 public:
  AnyTask(std::unique_ptr<Task> task) : task_(std::move(task)) {}
  AnyTask(const AnyTask& o) : task_(o.task_->clone()) {}
  AnyTask(AnyTask&&) = default;
  AnyTask& operator=(AnyTask o) noexcept {
    task_ = std::move(o.task_);
    return *this;
  }
  Task* operator->() { return task_.get(); }
  const Task* operator->() const { return task_.get(); }
  // As the task that it is; an error names both where it is another one.
  template <class T>
  T& as() {
    return const_cast<T&>(std::as_const(*this).template as<T>());
  }
  template <class T>
  const T& as() const {
    const T* t = dynamic_cast<const T*>(task_.get());
    check(t != nullptr, "task={} is not {}", task_->name(), T::task_name);
    return *t;
  }

 private:
  std::unique_ptr<Task> task_;
};

}  // namespace lact
