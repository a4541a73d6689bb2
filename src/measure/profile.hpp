// What each axis costs: steps of a config's own training, each against the same arithmetic without exchange.
#pragma once
#include <map>

#include "base/spans.hpp"
#include "tensor/kernel_ledger.hpp"
#include "train/trainer.hpp"

namespace lact {

struct ProfileConfig {
  std::int64_t pairs = 9, alone = 3, traced = 2;
  std::int64_t product = 0, copied = 0;  // sizes of what the rates are measured with; 0: as large as it takes
  void fields(Fields& f);
  void check_values() const;
};

struct MemoryByKind {                                // bytes of a rank
  double weights = 0, gradients = 0, optimizer = 0;  // all the time
  double activations = 0;                            // most that is kept from forwards to backwards
  double working = 0;                                // most that comes and goes beside them
  double loader = 0;                                 // samples prepared ahead
};

struct RankProfile {
  // Seconds of steps from a barrier until the new weights are everywhere, by this rank's clock; spans and the ledgers'
  // seconds are of the device's compute stream. Step i of `control` is
  // the pair of step i of `real`: from the same weights on the same samples, with nothing sent and nobody waited for.
  std::vector<double> real, control;
  std::vector<double> real_computing,
      control_computing;            // of those, by the processor's clock: also fair beside other jobs
  std::vector<double> independent;  // of this rank alone with as many tokens; empty where the layout cannot be imitated
  struct Line {
    int ranks = 1;
    std::string transport;
    Traffic traffic;  // of one real step; seconds are medians over the pairs
  };
  std::map<std::string, Line> lines;  // by label: "cp", "dp|cp", "world"
  // Of steps as training takes them, drawing from the loader.
  std::vector<double> data_seconds;                   // waiting for samples
  double pipeline_seconds = 0, pipeline_working = 0;  // forwards and backwards of all micro-batches; computing in them
  MemoryByKind memory;
  std::map<std::string, KernelLedger::Row> kernels;  // of one more step
  double product_rate = 0, copy_rate = 0;            // measured: operations and bytes per second
  std::int64_t tokens = 0;                           // of a step, over all ranks
  Spans spans;
  double clock = 0;  // steady_seconds() at one moment that all ranks share
};

// All ranks of the mesh call it; weights and moments end as they began.
RankProfile profile(LoadedModel& m, const Dataset& data, const ProfileConfig& cfg);

}  // namespace lact
