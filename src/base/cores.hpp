// The cores that this process may use. OpenMP's library binds the first thread when it is loaded, where OMP_PROC_BIND,
// OMP_PLACES or GOMP_CPU_AFFINITY ask for it, so what the system says in main() may be one core of many: the answers
// here are from before that.
#pragma once
#include <string>
#include <vector>

namespace lact {

// Hardware threads that the process was started on, or those of them that OpenMP's places name.
const std::vector<int>& usable_threads();
bool all_are_usable();  // nobody bound the process: they are all that the system has
// Threads' worth of time that the control groups of the process grant it, all threads together; 0 without a limit.
double granted_threads();
// The tightest limit on the way from the group to the root of a hierarchy mounted at `mounted`, of either version.
double granted_by(const std::string& mounted, const std::string& group);

// Main thread only. At the start of main(): it, and the threads made by it, run everywhere again.
void let_run_everywhere();
// When those are made: binds it to its place if OpenMP's threads are bound to theirs.
void bind_as_openmp_was_asked();

// For a thread that this program makes and that computes: OpenMP's library would bind each of them to the first place.
void let_the_system_place_this_thread();

// Threads made in this scope run on all of the process's cores, also where their maker is bound to one.
class MakingThreads {
 public:
  MakingThreads();
  ~MakingThreads();
  MakingThreads(const MakingThreads&) = delete;
  MakingThreads& operator=(const MakingThreads&) = delete;

 private:
  bool was_bound_ = false;
};

}  // namespace lact
