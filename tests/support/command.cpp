#include "support/command.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace lact {
namespace {

// Only calls that are safe between fork and exec; what goes wrong here ends the child with 127.
[[noreturn]] void become(char* const* words, const char* out, const char* err, std::int64_t largest_file) {
  auto put = [](const char* path, int flags, int place) {
    int fd = ::open(path, flags, 0600);
    if (fd < 0 || ::dup2(fd, place) < 0) ::_exit(127);
  };
  put("/dev/null", O_RDONLY, 0);
  put(out, O_WRONLY | O_CREAT | O_TRUNC, 1);
  put(err, O_WRONLY | O_CREAT | O_TRUNC, 2);
  if (largest_file > 0) {
    const rlimit limit{rlim_t(largest_file), rlim_t(largest_file)};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(127);
  }
  ::execv(words[0], words);
  ::_exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, std::int64_t largest_file,
                 const std::vector<std::string>& starter) {
  const char* binary = std::getenv("LACT_BINARY");
  check(binary != nullptr, "LACT_BINARY does not name the program; ctest sets it");
  std::vector<std::string> all = starter;
  all.push_back(binary);
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> words;
  for (std::string& word : all) {
    words.push_back(word.data());
    command_ += (command_.empty() ? "" : " ") + word;
  }
  words.push_back(nullptr);
  const std::string out = folder_ / "out", err = folder_ / "err";
  ::setenv("OMP_WAIT_POLICY", "passive", 0);  // test programs share the cores: threads that wait must not spin
  pid_ = ::fork();
  check(pid_ >= 0, "no process for {}", command_);
  if (pid_ == 0) become(words.data(), out.c_str(), err.c_str(), largest_file);
}

Process::~Process() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &raw_status_, 0);
}

void Process::send(int signal) const {
  if (!ended_) ::kill(pid_, signal);
}

bool Process::running() {
  if (!ended_) ended_ = ::waitpid(pid_, &raw_status_, WNOHANG) == pid_;
  return !ended_;
}

Outcome Process::wait(double seconds) {
  const bool in_time = comes_true([&] { return !running(); }, seconds);
  const std::string out = folder_.read("out"), err = folder_.read("err");
  check(in_time, "{} still runs after {} seconds, having said: {}", command_, seconds, err);
  const int status = WIFSIGNALED(raw_status_) ? 128 + WTERMSIG(raw_status_) : WEXITSTATUS(raw_status_);
  return {status, out, err};
}

std::vector<std::string> on_ranks(int ranks) {
  std::vector<std::string> words{"launch/run", "-n", std::to_string(ranks), "--bind", "none", "--threads", "1", "--"};
  if (::geteuid() == 0) words.insert(words.begin() + 1, "--allow-root");
  return words;
}

std::vector<int> processes_with(const std::string& words) {
  std::vector<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (!std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) continue;
    std::ifstream file(entry.path() / "cmdline");
    std::string line{std::istreambuf_iterator<char>(file), {}};
    std::ranges::replace(line, '\0', ' ');
    if (line.find(words) != std::string::npos) found.push_back(std::stoi(name));
  }
  return found;
}

Outcome run_lact(const std::vector<std::string>& arguments, std::int64_t largest_file) {
  return Process(arguments, largest_file).wait();
}

}  // namespace lact
