#include "parallel/launcher.hpp"

#include <cstdlib>
#include <string>

#include "base/check.hpp"

namespace lact {

bool started_as_a_rank() {
  if (const char* size = std::getenv("OMPI_COMM_WORLD_SIZE")) return std::string(size) != "1";
  if (const char* size = std::getenv("PMI_SIZE")) return std::string(size) != "1";
  if (std::getenv("PMIX_RANK") != nullptr) return true;
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  check(tasks == nullptr || std::string(tasks) == "1" || std::getenv("SLURM_STEP_ID") == nullptr,
        "srun started {} tasks without MPI: use `srun --mpi=pmix`, or `mpirun` inside the job",
        tasks == nullptr ? "" : tasks);
  return false;
}

}  // namespace lact
