#include "parallel/launch/launcher.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"

namespace lact {
namespace {

std::string text_of(const Environment& env, const char* name) {
  const char* value = env(name);
  return value == nullptr ? "" : value;
}

int number_of(const Environment& env, const char* name, int otherwise) {
  const std::string text = text_of(env, name);
  const bool is_number =
      !text.empty() && text.size() < 9 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? std::stoi(text) : otherwise;
}

// What launchers of several MPIs set: the first that is there counts, since an MPI listens to its own launcher. The
// PMIx of Slurm comes last, for it says the size under Slurm's name alone.
struct Names {
  const char *size, *rank;
};
constexpr std::array<Names, 3> launchers{{{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                          {"PMI_SIZE", "PMI_RANK"},
                                          {"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"}}};
constexpr Names slurm{"SLURM_STEP_NUM_TASKS", "PMIX_RANK"};

}  // namespace

bool started_as_a_rank(const Environment& env) {
  for (const Names& names : launchers)
    if (env(names.size) != nullptr) return text_of(env, names.size) != "1";
  if (env(slurm.rank) != nullptr) return true;
  const std::string tasks = text_of(env, slurm.size);
  check(tasks.empty() || tasks == "1" || env("SLURM_STEP_ID") == nullptr,
        "srun started {} tasks without MPI: use `srun --mpi=pmix`, or `mpirun` inside the job", tasks);
  return false;
}

Launch launch_of(const Environment& env) {
  const auto found = std::ranges::find_if(launchers, [&](const Names& n) { return env(n.size) != nullptr; });
  const Names names = found == launchers.end() ? slurm : *found;
  Launch l;
  l.rank = number_of(env, names.rank, 0);
  l.ranks = number_of(env, names.size, 1);
  l.told_by = env(names.size) != nullptr ? names.size : names.rank;
  l.in_slurm = env("SLURM_STEP_ID") != nullptr;
  l.status_address = text_of(env, "LACT_STATUS_ADDRESS");
  return l;
}

std::string how_started(const Launch& l) {
  if (l.ranks < 2) return sentence("started as rank {} ({})", l.rank, l.told_by);
  return sentence("started as rank {} of {} ({})", l.rank, l.ranks, l.told_by);
}

void check_that_mpi_knows(const Launch& l, int ranks, const std::string& library) {
  check(ranks > 1 || (l.ranks < 2 && l.rank == 0),
        "{}, but MPI ({}) knows of 1 rank: mpirun belongs to another MPI; start with launch/run, or with the mpirun of "
        "{}{}",
        how_started(l), library, library, l.in_slurm ? ", or with `srun --mpi=pmix`" : "");
}

}  // namespace lact
