#include "base/cores.hpp"

#include <omp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace lact {
namespace {

// A bit per hardware thread, as the system calls take it; its bytes are those that the kernel filled in.
struct Mask {
  std::array<unsigned long, 128> words;
  long bytes;
  bool has(int thread) const {
    constexpr int bits = 8 * int(sizeof(unsigned long));
    return (words[std::size_t(thread / bits)] >> (thread % bits) & 1u) != 0;
  }
};
Mask at_start;  // plain numbers: they are written before any constructor runs

__attribute__((no_sanitize("address", "undefined"))) void remember() {
  at_start.bytes = ::syscall(SYS_sched_getaffinity, 0, sizeof at_start.words, at_start.words.data());
}
// The loader calls these of a program before the initialisation of all shared libraries.
__attribute__((section(".preinit_array"), used)) void (*remember_first)() = remember;

void run_on(const Mask& mask) {
  if (mask.bytes > 0) ::syscall(SYS_sched_setaffinity, 0, mask.bytes, mask.words.data());
}

std::atomic<bool> main_is_bound = false;
Mask place_of_main;

bool is_main_thread() { return ::syscall(SYS_gettid) == ::getpid(); }

std::vector<int> found_threads() {
  if (at_start.bytes <= 0) remember();
  std::vector<int> all;
  for (int t = 0; t < int(std::max(0l, at_start.bytes)) * 8; ++t)
    if (at_start.has(t)) all.push_back(t);
  std::set<int> placed;
  for (int p = 0; p < ::omp_get_num_places(); ++p) {
    std::vector<int> ids(std::size_t(::omp_get_place_num_procs(p)));
    ::omp_get_place_proc_ids(p, ids.data());
    placed.insert(ids.begin(), ids.end());
  }
  if (!placed.empty()) std::erase_if(all, [&](int t) { return !placed.contains(t); });
  return all.empty() ? std::vector{0} : all;
}

// "0-3,8" has 5.
int counted(const std::string& list) {
  int n = 0;
  std::istringstream in(list);
  for (std::string range; std::getline(in, range, ',');) {
    int first = 0, last = 0;
    const int read = std::sscanf(range.c_str(), "%d-%d", &first, &last);
    n += read == 2 ? last - first + 1 : read == 1 ? 1 : 0;
  }
  return n;
}

// The first number of a file divided by the second, which may stand in a file of its own; 0 without a limit.
double limit_in(const std::string& quota_file, const std::string& period_file = "") {
  std::ifstream quotas(quota_file), periods(period_file);
  double quota = 0, period = 0;
  if (!(quotas >> quota) || quota <= 0) return 0;  // "max", or -1
  (period_file.empty() ? quotas : periods) >> period;
  return period > 0 ? quota / period : 0;
}

double tighter(double a, double b) { return a <= 0 ? b : b <= 0 ? a : std::min(a, b); }

}  // namespace

const std::vector<int>& usable_threads() {
  static const std::vector<int> all = found_threads();
  return all;
}

bool all_are_usable() {
  std::string online;
  std::getline(std::ifstream("/sys/devices/system/cpu/online"), online);
  const int all = online.empty() ? int(std::thread::hardware_concurrency()) : counted(online);
  return int(usable_threads().size()) >= all;
}

double granted_by(const std::string& mounted, const std::string& group) {
  double least = 0;
  for (std::filesystem::path at = std::filesystem::path(mounted + "/" + group).lexically_normal();
       at.string().size() >= mounted.size(); at = at.parent_path()) {
    const std::string folder = at.string();
    least = tighter(least, limit_in(folder + "/cpu.max"));
    least = tighter(least, limit_in(folder + "/cpu.cfs_quota_us", folder + "/cpu.cfs_period_us"));
    if (!at.has_relative_path()) break;
  }
  return least;
}

double granted_threads() {
  double least = 0;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b" of version 2, "4:cpu,cpuacct:/a/b" of version 1
    const std::size_t names = line.find(':'), path = line.find(':', names + 1);
    if (names == std::string::npos || path == std::string::npos) continue;
    const std::string controllers = "," + line.substr(names + 1, path - names - 1) + ",";
    const std::string group = line.substr(path + 1);
    if (controllers == ",,") least = tighter(least, granted_by("/sys/fs/cgroup", group));
    if (controllers.find(",cpu,") != std::string::npos)
      for (const char* mounted : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"})
        least = tighter(least, granted_by(mounted, group));
  }
  return least;
}

void let_run_everywhere() { run_on(at_start); }

void bind_as_openmp_was_asked() {
  if (!is_main_thread() || ::omp_get_proc_bind() == omp_proc_bind_false || ::omp_get_num_places() == 0) return;
  const int place = ::omp_get_place_num();
  if (place < 0) return;
  std::vector<int> ids(std::size_t(::omp_get_place_num_procs(place)));
  ::omp_get_place_proc_ids(place, ids.data());
  Mask mask{{}, at_start.bytes};
  constexpr int bits = 8 * int(sizeof(unsigned long));
  for (int t : ids) mask.words[std::size_t(t / bits)] |= 1ul << (t % bits);
  run_on(mask);
  place_of_main = mask;
  main_is_bound = true;
}

void let_the_system_place_this_thread() {
  if (::omp_get_place_num() >= 0) run_on(at_start);  // asked, the library binds the thread, and then never again
}

MakingThreads::MakingThreads() : was_bound_(is_main_thread() && main_is_bound) {
  if (was_bound_) let_run_everywhere();
}

MakingThreads::~MakingThreads() {
  if (was_bound_) run_on(place_of_main);
}

}  // namespace lact
