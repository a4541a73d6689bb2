#include "parallel/launcher.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace lact {
namespace {

std::string first_of(const Environment& env, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = env(name)) return value;
  return "";
}

int number_of(const Environment& env, std::initializer_list<const char*> names, int otherwise) {
  const std::string text = first_of(env, names);
  const bool is_number =
      !text.empty() && text.size() < 9 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? std::stoi(text) : otherwise;
}

}  // namespace

bool started_as_a_rank(const Environment& env) {
  if (const char* size = env("OMPI_COMM_WORLD_SIZE")) return std::string(size) != "1";
  if (const char* size = env("PMI_SIZE")) return std::string(size) != "1";
  if (env("PMIX_RANK") != nullptr) return true;
  const char* tasks = env("SLURM_STEP_NUM_TASKS");
  check(tasks == nullptr || std::string(tasks) == "1" || env("SLURM_STEP_ID") == nullptr,
        "srun started {} tasks without MPI: use `srun --mpi=pmix`, or `mpirun` inside the job",
        tasks == nullptr ? "" : tasks);
  return false;
}

Launch launch_of(const Environment& env) {
  Launch l;
  l.rank = number_of(env, {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}, 0);
  l.ranks = number_of(env, {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}, 1);
  l.status_address = first_of(env, {"LACT_STATUS_ADDRESS"});
  return l;
}

}  // namespace lact
