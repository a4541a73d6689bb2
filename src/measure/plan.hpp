// What a layout would cost on a machine, before any device is spent: the program itself takes a step on paper as one
// rank of each stage. Bytes and calls are those of the ledgers, memory that of the allocations, seconds those of the
// rates.
#pragma once
#include <map>

#include "measure/machine.hpp"
#include "tensor/kernel_ledger.hpp"
#include "train/config.hpp"

namespace lact {

struct PlannedMemory {  // bytes of a rank
  double weights = 0, gradients = 0, optimizer = 0;
  double activations = 0;  // kept from the forward to the backward pass
  double working = 0;      // what comes and goes beside them, travelling buffers included
  double total() const { return weights + gradients + optimizer + activations + working; }
};

struct PlannedLine {  // communicators of one label, "dp|cp"
  Traffic traffic;
  double waiting = 0;  // seconds that do not hide under compute
};

struct PlannedRank {     // one step of a rank in steady training
  double seconds = 0;    // without waiting for other stages of a pipeline
  double computing = 0;  // of those
  struct Stage {
    double forward = 0, backward = 0;  // seconds of one micro-batch
  };
  std::map<int, Stage> stages;
  std::map<std::string, PlannedLine> lines;
  std::map<std::string, KernelLedger::Row> kernels;  // and, as others, what it waits for
  PlannedMemory memory;
};

struct PlannedLayout {
  Grid grid;
  bool recompute = false;  // train.activation_checkpointing
  double seconds = 0;      // of a step
  double bubble = 0;       // share of the pipeline's time without work
  double tokens_per_second = 0;
  PlannedRank slowest;  // of all stages
  PlannedMemory largest;
  bool fits = true;
};

PlannedRank plan_rank(const RunConfig& cfg, const Grid& grid, int rank, const Machine& machine);
PlannedLayout plan_layout(const RunConfig& cfg, const Grid& grid, const Machine& machine);
// Every possible layout of the machine's ranks, with and without activation checkpointing, the fastest that fits first.
std::vector<PlannedLayout> plan_all(const RunConfig& cfg, const Machine& machine);

}  // namespace lact
