// One optimizer step: forward and backward over the micro-batches, the global norm, the verdict, the update.
#pragma once
#include <deque>
#include <optional>
#include <string>

#include "base/config.hpp"
#include "optim/adamw.hpp"
#include "optim/reducer.hpp"
#include "train/repeated_step.hpp"

namespace lact {

struct LearningConfig {
  double lr = 1e-4;
  std::int64_t warmup = 4000, steps = 80000;
  double min_lr_ratio = 0;
  bool constant_lr = false;
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.05;
  bool decay_all = false;
  double grad_clip = 1, skip_norm = 4;  // 0 turns either off
  // Up to this step nothing is clipped, nor left out for a large norm (what is not finite always is); negative: both
  // from the first step.
  std::int64_t free_steps = 1000;
  std::int64_t max_skipped = 20;
  bool activation_checkpointing = false;
  std::string precision = "fp32";
  DType activations() const { return precision == "bf16" ? DType::bf16 : DType::f32; }
  void fields(Fields& f);
  void check_values() const;
  double rate_at(std::int64_t step) const { return constant_lr ? lr : cosine(step); }

 private:
  double cosine(std::int64_t step) const;
};

struct StepReport {
  std::int64_t step = 0;
  double loss = 0, grad_norm = 0, rate = 0;  // norm before clipping
  std::int64_t tokens = 0;                   // over all ranks
  Flops flops;          // of one forward pass over them; a step is three times that, and four with recomputation
  std::string skipped;  // why the update was left out, or empty
  // Whether any rank wants the run to end, and whether rank 0 finds it time for a checkpoint: the same on every rank.
  bool stop = false, save = false;
};

struct Wishes {  // of this rank, when a step begins
  bool stop = false, save = false;
};

// Numbers of one step in the device's memory, f64: the sums by which all ranks judge alike, and the learning rate.
class StepNumbers {
 public:
  struct Values {
    double loss = 0, squared_norm = 0;  // of the whole batch and of its whole gradient, once summed
    double stop = 0, save = 0;          // how many ranks wish it
    double rate = 0;
  };
  explicit StepNumbers(Device& device);
  Tensor loss() const { return all_.cut(0, {0, 1}); }
  Tensor squared_norm() const { return all_.cut(0, {1, 2}); }
  Tensor summed() const { return all_.cut(0, {0, 4}); }  // all but the rate
  Tensor rate() const { return all_.cut(0, {4, 5}); }
  const Tensor& all() const { return all_; }

  void clear_loss_and_norm();
  void write(const Wishes& wishes, double rate);  // of the host
  Arrival begin_read() const;
  static Values read(const Arrival& arrived);

 private:
  Device& device_;
  Tensor all_;  // [5], in the order of Values
};

// One step. begin() asks the device for all of it and report() tells what became of it, so that a GPU has work while
// the host reads.
class Learner {
 public:
  // `graphs`: one rank with a GPU asks for steps of one shape as a CUDA graph, while no spans are recorded.
  Learner(Model& model, ParameterStore& store, Mesh& mesh, Device& device, const LearningConfig& cfg,
          std::uint64_t seed, bool graphs = false);
  ~Learner();
  // Draws the micro-batches of one global batch one after the other; each carries the global count `valid`.
  using Draw = Pipeline::Draw;
  void begin(std::int64_t n, std::int64_t micro_batches, const Draw& draw, const std::function<Wishes()>& wishes = {});
  StepReport report();  // of the first step begun and not yet reported; the host waits for it
  StepReport step(std::int64_t n, std::int64_t micro_batches, const Draw& draw) {
    return begin(n, micro_batches, draw), report();
  }
  AdamW& optimizer() { return optimizer_; }
  Pipeline& pipeline() { return pipeline_; }
  // Spans of the steps to come and of their collectives; null: only a profiler sees them, where one is attached.
  void record(Spans* spans) { listen(spans == nullptr ? shown_.get() : spans); }
  std::int64_t skipped_in_a_row() const { return skipped_in_a_row_; }  // of the steps reported
  void set_skipped_in_a_row(std::int64_t n) { skipped_in_a_row_ = n; }
  bool replayed() const { return repeated_ && repeated_->replayed(); }  // the last step was a graph, asked for as one

 private:
  struct Begun {
    StepReport report;  // what the host knows of it
    Arrival numbers, verdict;
  };
  void listen(Spans* spans);
  using WriteWishes = std::function<void()>;  // into numbers_
  // All that the device computes in a step.
  Pipeline::Totals compute(std::int64_t n, std::int64_t micro_batches, const Draw& draw, const WriteWishes& write);
  Pipeline::Totals forward_and_backward(std::int64_t n, std::int64_t micro_batches, const Draw& draw);
  void sum_over_ranks(Tensor loss, const WriteWishes& write);
  void clip_or_skip_and_update(std::int64_t n);
  void count_tokens(StepReport& r, const Pipeline::Totals& of_this_rank) const;
  std::string why(kernels::LeftOut left_out, double norm) const;
  Pipeline pipeline_;
  ParameterStore& store_;
  Mesh& mesh_;
  Device& device_;
  LearningConfig cfg_;
  std::uint64_t seed_;
  Reducer reducer_;
  AdamW optimizer_;
  StepNumbers numbers_;
  std::optional<RepeatedStep> repeated_;
  std::deque<Begun> begun_;
  std::int64_t skipped_in_a_row_ = 0;
  std::unique_ptr<Spans> shown_;
  Spans* spans_ = nullptr;
};

}  // namespace lact
