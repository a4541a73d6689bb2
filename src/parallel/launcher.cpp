#include "parallel/launcher.hpp"

#include <algorithm>
#include <iterator>

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

// The addresses in mpirun's "1213464576.0;tcp://10.99.0.1,192.168.0.1:59343;tcp6://...": of the host it runs on, which
// is rank 0's unless other hosts were asked for.
std::vector<std::string> addresses_in(const std::string& uri) {
  std::vector<std::string> found;
  const std::string scheme = ";tcp://";
  std::size_t at = uri.find(scheme);
  if (at == std::string::npos) return found;
  at += scheme.size();
  const std::size_t end = std::min(uri.find(':', at), uri.size());
  for (std::size_t comma = at; at < end; at = comma + 1) {
    comma = std::min(uri.find(',', at), end);
    found.push_back(uri.substr(at, comma - at));
  }
  return found;
}

// OpenMPI 5 names a job after its own process, "prterun-node-07-4711@1": of the host node-07.
std::string host_in(const std::string& job) {
  const std::size_t begin = job.find('-'), end = job.rfind('-', job.find('@'));
  return job.starts_with("prte") && begin < end && end != job.npos ? job.substr(begin + 1, end - begin - 1) : "";
}

// The first of Slurm's "node[007-012,20],other": node007.
std::string first_node(const std::string& list) {
  const std::size_t bracket = list.find_first_of("[,");
  if (bracket == std::string::npos || list[bracket] == ',') return list.substr(0, bracket);
  const std::size_t end = list.find_first_of("-,]", bracket);
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1);
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
  l.job = first_of(env, {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "PMI_JOBID"});
  const std::string asked = first_of(env, {"LACT_STATUS_ADDRESS"});
  const bool one_host = number_of(env, {"OMPI_COMM_WORLD_LOCAL_SIZE"}, 0) == l.ranks ||
                        first_of(env, {"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_NODES"}) == "1";
  if (!asked.empty()) l.meeting.push_back(asked);
  // mpirun puts rank 0 on the first host of its list, but on its own if that is in the list, too.
  if (one_host)
    l.meeting.push_back("127.0.0.1");
  else if (env("OMPI_MCA_orte_hnp_uri") != nullptr)
    std::ranges::copy(addresses_in(env("OMPI_MCA_orte_hnp_uri")), std::back_inserter(l.meeting));
  else if (const std::string host = host_in(l.job); !host.empty())
    l.meeting.push_back(host);
  else if (env("SLURM_STEP_NODELIST") != nullptr)
    l.meeting.push_back(first_node(env("SLURM_STEP_NODELIST")));
  return l;
}

}  // namespace lact
