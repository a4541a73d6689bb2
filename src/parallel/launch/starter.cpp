#include "parallel/launch/starter.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "base/check.hpp"
#include "parallel/launch/launcher.hpp"

namespace lact {

Finished run_ranks(int ranks, const std::vector<std::string>& arguments, const std::string& errors) {
  check(!started_as_a_rank(), "a rank cannot start others: run this without mpirun");
  std::vector<std::string> words;
  if (ranks > 1) words = {"mpirun", "--oversubscribe", "-n", std::to_string(ranks)};
  words.push_back(std::filesystem::read_symlink("/proc/self/exe").string());
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& w : words) pointers.push_back(w.data());
  pointers.push_back(nullptr);
  std::array<int, 2> ends{};
  check(::pipe2(ends.data(), O_CLOEXEC) == 0, "no pipe for the output of {}", words.front());
  const int err =
      errors.empty() ? STDERR_FILENO : ::open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  check(err >= 0, "{} cannot be written", errors);
  const pid_t child = ::fork();
  check(child >= 0, "no process for {}", words.front());
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::dup2(ends[1], STDOUT_FILENO) >= 0 && ::dup2(err, STDERR_FILENO) >= 0) ::execvp(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  if (!errors.empty()) ::close(err);
  Finished f;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;)
    f.out.append(buffer.data(), std::size_t(n));
  ::close(ends[0]);
  int raw = 0;
  ::waitpid(child, &raw, 0);
  f.status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
  check(f.status != 127, "{} cannot be started", words.front());
  return f;
}

std::string reason_in(const std::string& errors) {
  std::string first = "nothing was said";
  std::istringstream lines(errors);
  for (std::string line; std::getline(lines, line);) {
    if (const std::size_t at = line.find("lact: "); at != line.npos) return line.substr(at);
    if (first == "nothing was said" && line.find_first_not_of("- ") != line.npos) first = line;
  }
  return first;
}

}  // namespace lact
