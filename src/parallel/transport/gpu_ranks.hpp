// Collectives of numbers that stay on GPUs, for a communicator that has a transport of its own for those of the CPU.
#pragma once
#include "parallel/communicator.hpp"

namespace lact {

class GpuRanks {
 public:
  virtual ~GpuRanks() = default;
  // Begins once the compute stream has come here, and runs in a stream beside it. Waiting for the work makes the
  // compute stream wait, not the host. Sums do not follow the tree over ranks, though the same layout gives the same
  // bits. There are no maxima.
  virtual std::shared_ptr<Work::State> start(Collective call) = 0;
};

// The ranks of `line` by NCCL, which find each other through it. None where this program has no NCCL, where a rank's
// device is no GPU or two ranks have the same one: all ranks get the same answer. A GPU's numbers then travel through
// its host. The line and the device outlive it. Collective.
std::unique_ptr<GpuRanks> gpu_ranks(Communicator& line, Device& device);
std::string gpu_ranks_library();  // "NCCL 2.28.9"; empty without

}  // namespace lact
