// Linked instead of nccl.cpp where there is no NCCL.
#include "parallel/transport/gpu_ranks.hpp"

namespace lact {

std::unique_ptr<GpuRanks> gpu_ranks(Communicator&, Device&) { return nullptr; }
std::string gpu_ranks_library() { return {}; }

}  // namespace lact
