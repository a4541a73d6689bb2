// What every rank of a pipeline does, as lists: forwards, backwards, and the grouped exchanges between them. Pure
// functions, printed and tested without ranks.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.hpp"

namespace lact {

// The blocks of the model are cut into ranks x chunks stages of consecutive blocks. Stage s runs on rank s % ranks, as
// its chunk s / ranks; more than one chunk interleaves them (Narayanan et al. 2021) and needs micro-batches in
// multiples of the ranks.
struct PipelineShape {
  int ranks = 1, micro_batches = 1, chunks = 1;
  int stages() const { return ranks * chunks; }
  int rank_of(int stage) const { return stage % ranks; }
};

struct PipelineMessage {
  enum Kind : std::uint8_t { activation, cotangent } kind = activation;
  int stage = 0;  // the stage that made it: an activation goes to stage + 1, a cotangent to stage - 1
  int micro = 0;
  int peer = 0;  // rank along the pipeline
  bool send = false;
  bool operator==(const PipelineMessage&) const = default;
};

struct PipelineAction {
  enum Kind : std::uint8_t { forward, backward, exchange } kind = forward;
  int stage = 0, micro = 0;               // of a forward or a backward
  std::vector<PipelineMessage> messages;  // of an exchange: all of them travel at once
  bool operator==(const PipelineAction&) const = default;
};
using PipelineList = std::vector<PipelineAction>;

// 1F1B: rank r runs forwards until ranks - r micro-batches are live, then backwards and forwards in turn. A compute is
// a forward or a backward. Between two computes there is at most one exchange: it travels while the next compute runs
// and is waited for where its values are used. The sender puts a message into the exchange right after the compute that
// made it; the receiver puts it into the last exchange that it begins before that compute ends. On a clock that all
// ranks share every exchange therefore ends before its ranks begin their next one, so none waits for ever, however long
// the computes really take.
//   2 ranks, 3 micro-batches: rank 0  F0 x F1 x B0 x F2 x B1 x B2, rank 1  x F0 x B0 x F1 B1 x F2 B2 x
std::vector<PipelineList> pipeline_lists(const PipelineShape& shape);  // of every rank
std::string text_of(const PipelineList& list);                         // "F0.0 [>a0.0 <c0.1] B0.0": micro . stage

int peak_live(const PipelineList& list);  // most forwards whose backward has not run yet
// The share of a rank's time without work, all stages alike: (ranks - 1) / (chunks micro_batches + ranks - 1).
double pipeline_bubble(const PipelineShape& shape);

// Consecutive blocks for each stage, at least one, so that the costliest stage costs as little as possible. `first` is
// what the first stage costs besides its blocks, `last` the same for the last one. Among splits that cost the same, the
// one with fewer blocks in the front stages, where more micro-batches are live.
std::vector<Range> split_blocks(std::span<const double> costs, double first, double last, int stages);

}  // namespace lact
