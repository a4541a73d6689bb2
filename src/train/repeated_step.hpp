// Steps of one shape on one GPU: after two as always the third is noted as a graph, which the host then starts at once
// where it would have to start thousands of kernels. Whatever changes from step to step lies in the device's memory.
#pragma once
#include "train/pipeline.hpp"

namespace lact {

class RepeatedStep {
 public:
  explicit RepeatedStep(Device& device) : device_(device) {}
  // Asks the device for a step; the same each time but for the numbers in its memory and for what it is given here.
  using Ask = std::function<Pipeline::Totals(const Pipeline::Draw& draw)>;
  // Draws the micro-batches into places of their own, from which `ask` gets them. `kind`: what else makes steps differ.
  Pipeline::Totals take(std::int64_t micro_batches, const Pipeline::Draw& draw, int kind, const Ask& ask);
  void forget() { graph_.reset(), asked_ = 0, replayed_ = false; }
  bool replayed() const { return replayed_; }  // the last step

 private:
  void receive(std::int64_t micro_batches, const Pipeline::Draw& draw, int kind);
  void record(const std::function<void()>& ask);

  Device& device_;
  std::vector<Batch> batches_;
  int kind_ = 0;
  int asked_ = 0;  // steps of this shape that were asked for as always
  std::unique_ptr<Recorded> graph_;
  Pipeline::Totals totals_;
  bool possible_ = true, replayed_ = false;
};

}  // namespace lact
