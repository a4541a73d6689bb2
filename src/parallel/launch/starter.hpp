// Starts this program once more, as several ranks on this host.
#pragma once
#include <string>
#include <vector>

namespace lact {

struct Finished {
  int status = 0;  // exit status; 128 + its number where a signal ended it
  std::string out;
};
// `lact ARGUMENTS` on so many ranks, with mpirun if there are several; stderr goes into the file `errors`, or where
// this program's goes. Asked to end (SIGTERM) when this program dies.
Finished run_ranks(int ranks, const std::vector<std::string>& arguments, const std::string& errors = {});
// What this program said on stderr where it failed; else the first line that says anything, as of an mpirun that starts
// nothing.
std::string reason_in(const std::string& errors);

}  // namespace lact
