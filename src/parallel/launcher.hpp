// Who started this process.
#pragma once

namespace lact {

// True if a launcher of MPI programs started this process as one of several ranks. Refuses one of several tasks of
// `srun` without MPI, which would all do the same work.
bool started_as_a_rank();

}  // namespace lact
