// Held-out views judged for a run: what its report, its log and `lact eval` say of them.
#pragma once
#include "models/view_synthesis/evaluate.hpp"

namespace lact {

class ViewEvaluator final : public Evaluator {
 public:
  ViewEvaluator(ViewSynthesis& model, const ViewSource& source, const DataConfig& config)
      : model_(model), source_(source), config_(config), nothing_(evaluation_choices(source, config).empty()) {}
  std::string judged() const override { return "held-out views"; }
  std::string why_none() const override { return nothing_ ? "no view is held out (data.held_out)" : ""; }
  std::string mend() const override { return "set data.held_out=[...]"; }
  Evaluation evaluate(Ctx& c) override;

 private:
  ViewSynthesis& model_;
  const ViewSource& source_;
  DataConfig config_;
  bool nothing_;
};

}  // namespace lact
