#include "parallel/pipeline/calls.hpp"

#include "base/check.hpp"

namespace lact {
namespace {

std::string named(std::string_view what, int micro, int stage) {
  return fill("{} {} of stage {}", {what, micro, stage});
}
std::string named(PipelineMessage::Kind kind, int micro, int stage) {
  return named(kind == PipelineMessage::activation ? "activation" : "cotangent", micro, stage);
}

class OneRank {
 public:
  OneRank(const Grid& grid, const PipelineShape& shape, int rank, const StageOf& stage_of, double exchange_seconds)
      : grid_(grid), shape_(shape), rank_(rank), stage_of_(stage_of), exchange_seconds_(exchange_seconds) {}

  RankCalls run(const PipelineList& list) {
    for (const PipelineAction& a : list) {
      if (a.kind == PipelineAction::exchange)
        exchange(a);
      else
        work(a);
    }
    RankCall step;
    step.what = "optimizer step";
    for (int stage = pp(); stage < shape_.stages(); stage += shape_.ranks)
      for (int m = 0; m < shape_.micro_batches; ++m) step.takes.push_back(named("gradient", m, stage));
    calls_.push_back(step);
    return std::move(calls_);
  }

 private:
  int pp() const { return grid_.place(rank_)[std::size_t(Axis::pp)]; }

  void exchange(const PipelineAction& a) {
    RankCall c;
    c.kind = RankCall::exchange;
    c.seconds = exchange_seconds_;
    for (const PipelineMessage& m : a.messages) {
      auto there = grid_.place(rank_);
      there[std::size_t(Axis::pp)] = m.peer;
      c.letters.push_back({grid_.rank_at(there), m.send, named(m.kind, m.micro, m.stage)});
    }
    calls_.push_back(std::move(c));
  }

  void add(const RankCalls& calls, std::string_view pass, const PipelineAction& a) {
    for (RankCall c : calls) {
      c.what = fill("{} ({} {} of stage {})", {c.what, pass, a.micro, a.stage});
      calls_.push_back(std::move(c));
    }
  }

  void work(const PipelineAction& a) {
    bool forward = a.kind == PipelineAction::forward;
    const StageCalls stage = stage_of_(rank_, a.stage);
    RankCall takes, makes;
    takes.what = makes.what = named(forward ? "forward" : "backward", a.micro, a.stage);
    const std::string tape = named("tape", a.micro, a.stage);
    if (forward) {
      if (a.stage > 0) takes.takes = {named(PipelineMessage::activation, a.micro, a.stage - 1)};
      makes.makes = {tape};
      if (a.stage + 1 < shape_.stages()) makes.makes.push_back(named(PipelineMessage::activation, a.micro, a.stage));
    } else {
      takes.takes = {tape};
      if (a.stage + 1 < shape_.stages()) takes.takes.push_back(named(PipelineMessage::cotangent, a.micro, a.stage + 1));
      makes.makes = {named("gradient", a.micro, a.stage)};
      if (a.stage > 0) makes.makes.push_back(named(PipelineMessage::cotangent, a.micro, a.stage));
    }
    calls_.push_back(std::move(takes));
    if (forward || stage.recompute) add(stage.forward, forward ? "forward" : "recompute", a);
    if (!forward) add(stage.backward, "backward", a);
    if (!forward && a.micro == shape_.micro_batches - 1) add(stage.reduce, "reduce", a);
    calls_.push_back(std::move(makes));
  }

  const Grid& grid_;
  const PipelineShape& shape_;
  int rank_;
  const StageOf& stage_of_;
  double exchange_seconds_;
  RankCalls calls_;
};

}  // namespace

std::vector<RankCalls> pipeline_calls(const Grid& grid, const PipelineShape& shape,
                                      const std::vector<PipelineList>& lists, const StageOf& stage_of,
                                      double exchange_seconds) {
  check(grid.size[std::size_t(Axis::pp)] == shape.ranks && lists.size() == std::size_t(shape.ranks),
        "{} lists for a pipeline of {} ranks in a grid with {}", lists.size(), shape.ranks,
        grid.size[std::size_t(Axis::pp)]);
  std::vector<RankCalls> out;
  for (int r = 0; r < grid.ranks(); ++r) {
    const PipelineList& list = lists[std::size_t(grid.place(r)[std::size_t(Axis::pp)])];
    out.push_back(OneRank(grid, shape, r, stage_of, exchange_seconds).run(list));
  }
  return out;
}

}  // namespace lact
