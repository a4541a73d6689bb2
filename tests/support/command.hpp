// The program itself, started as a user starts it: the binary named by the environment variable LACT_BINARY, with its
// output captured, its signals sent, and its files limited.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include "support/waiting.hpp"

namespace lact {

struct Outcome {
  int status = 0;  // exit status; 128 + its number for a process that a signal ended
  std::string out, err;
};

class Process {
 public:
  // `largest_file` in bytes is what the process may write into one file; 0 is no limit. `starter`: words that start the
  // program, such as those of on_ranks().
  explicit Process(const std::vector<std::string>& arguments, std::int64_t largest_file = 0,
                   const std::vector<std::string>& starter = {});
  ~Process();  // ends what still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  void send(int signal) const;
  int id() const { return pid_; }
  bool running();
  Outcome wait(double seconds = 250);  // an error when it takes longer

 private:
  TemporaryFolder folder_;  // of stdout and stderr
  std::string command_;
  pid_t pid_ = -1;
  int raw_status_ = 0;
  bool ended_ = false;
};

// launch/run with one thread per rank, which share the cores.
std::vector<std::string> on_ranks(int ranks);
// Processes of this machine whose command line holds these words, the starter's among them.
std::vector<int> processes_with(const std::string& words);

Outcome run_lact(const std::vector<std::string>& arguments, std::int64_t largest_file = 0);

}  // namespace lact
