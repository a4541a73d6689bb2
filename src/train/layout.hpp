// Which products pp x dp x cp x tp a config allows: judged before anything starts.
#pragma once
#include "parallel/grid.hpp"
#include "train/config.hpp"

namespace lact {

// What does not divide, as the beginning of a sentence; empty when the model and the batch allow the grid. Context
// parallelism is always possible: whole views first, then parts of views, and a rank may be left without tokens or
// heads.
std::string objection_to(const RunConfig& cfg, const Grid& grid);
std::vector<Grid> possible_layouts(const RunConfig& cfg, int ranks);
// The grid of parallel.* over so many ranks. An impossible one is refused in one sentence that says what does not
// divide and which possible layouts are nearest.
Grid layout_of(const RunConfig& cfg, int ranks);
// What fast-weight layers exchange over cp, and why, as a sentence (empty where cp is 1).
struct CpChoice {
  CpMode mode = CpMode::tokens;
  std::string why;
};
CpChoice cp_choice(const RunConfig& cfg, const Grid& grid);
// train.deterministic: the layout whose sums every power-of-two split of dp and cp repeats, 8 along the tokens and up
// to 8 along the samples; an error for grids that are no part of it, pp > 1 among them. `player_of`: the rank of `grid`
// that plays a rank of the finest layout.
Grid finest_layout(const RunConfig& cfg, const Grid& grid);
bool repeats_bits(const RunConfig& cfg, const Grid& grid);  // whether it is a part of the finest
int player_of(int rank, const Grid& finest, const Grid& grid);
// The blocks of each stage of the pipeline, pp x parallel.interleave of them: balanced by floating-point operations,
// the embedding and the head included.
std::vector<Range> stages_of(const RunConfig& cfg, const Grid& grid);
int stage_of(std::int64_t block,
             const std::vector<Range>& stages);             // block -1 embeds, the number of blocks is the head
std::int64_t samples_of_micro_batch(const RunConfig& cfg);  // that all ranks of dp together hold
Costs costs_of_micro_batch(const RunConfig& cfg);           // of those
std::string text_of(const Grid& grid);                      // "pp=1 dp=2 cp=2 tp=1"

}  // namespace lact
