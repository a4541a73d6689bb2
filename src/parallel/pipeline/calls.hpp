// Turns the lists of a pipeline into the calls of every rank of a grid, together with what each stage calls along the
// other axes, for the rehearsal to judge and to time.
#pragma once
#include <functional>

#include "parallel/pipeline/rehearsal.hpp"
#include "parallel/pipeline/schedule.hpp"

namespace lact {

struct StageCalls {
  RankCalls forward, backward;  // of one micro-batch; their names need not tell micro-batches and stages apart
  RankCalls reduce;             // along with the backward of the last micro-batch: gradients
  bool recompute = false;       // the backward begins with the forward once more
};
// What a rank (of the grid) calls in a stage.
using StageOf = std::function<StageCalls(int rank, int stage)>;

// `lists` of the pp ranks; every line of pp ranks runs them. A step ends when all gradients are there. An exchange
// travels for so many seconds.
std::vector<RankCalls> pipeline_calls(const Grid& grid, const PipelineShape& shape,
                                      const std::vector<PipelineList>& lists, const StageOf& stage_of,
                                      double exchange_seconds = 0);

}  // namespace lact
