#include "app/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/cores.hpp"

namespace lact {
namespace {

// A file that is opened next would otherwise get one of these numbers, and the lines of the log. Opened the wrong way
// round, so that whoever reads or writes is told that there is nothing.
void open_what_is_closed() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));  // takes the lowest number
}

// Threads of libgomp spin for milliseconds at a barrier by default; where another process holds a core that makes a
// parallel loop 10 to 60 times slower. The library reads its settings when it is loaded, so the program starts itself
// once more with a shorter wait.
void wait_briefly_at_barriers(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "10000", 1);
  execv("/proc/self/exe", argv);  // where that is not possible, the program goes on as it is
}

// The system names a process after the path that it was started by, which is now .../exe.
void keep_name(const char* path) {
  std::array<char, 16> name{};
  ::prctl(PR_GET_NAME, name.data());
  if (path != nullptr && std::string_view(name.data()) == "exe")
    ::prctl(PR_SET_NAME, std::filesystem::path(path).filename().c_str());
}

// Whether the parent had SIGHUP ignored, as nohup does. This is asked before shared libraries initialise themselves:
// UCX, which Open MPI may bring along, puts a handler of its own there.
bool hang_up_was_ignored = false;
[[gnu::no_sanitize("address", "undefined")]] void ask_about_hang_up() {
  struct sigaction now {};
  hang_up_was_ignored = sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}
[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries)() = ask_about_hang_up;

}  // namespace

void begin_process(char** argv) {
  if (hang_up_was_ignored) std::signal(SIGHUP, SIG_IGN);  // also for the program that is started next
  open_what_is_closed();
  let_run_everywhere();
  wait_briefly_at_barriers(argv);
  keep_name(argv[0]);
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is an error of the write, not the end of the process
}

void outlive_readers() { std::signal(SIGPIPE, SIG_IGN); }

bool reader_of_stdout_has_gone() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace lact
