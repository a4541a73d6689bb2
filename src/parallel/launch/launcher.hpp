// Who started this process, read from what launchers put into the environment: known before MPI, and without it.
#pragma once
#include <cstdlib>
#include <functional>
#include <string>

namespace lact {

using Environment = std::function<const char*(const char* name)>;  // null where there is no such name

// True if a launcher of MPI programs started this process as one of several ranks. Refuses one of several tasks of
// `srun` without MPI, which would all do the same work.
bool started_as_a_rank(const Environment& env = std::getenv);

struct Launch {
  int rank = 0, ranks = 1;     // 1 also where the launcher says only which rank this is
  std::string told_by;         // the variable that says so
  bool in_slurm = false;       // a step of a Slurm job
  std::string status_address;  // LACT_STATUS_ADDRESS: of rank 0's host, where its routes do not tell which is right
};
Launch launch_of(const Environment& env = std::getenv);

std::string how_started(const Launch& l);  // "started as rank 1 of 2 (PMI_SIZE)"
// Refuses one of several ranks of which MPI knows this one alone: each of them would do all the work, in one folder.
void check_that_mpi_knows(const Launch& l, int ranks, const std::string& library);

}  // namespace lact
