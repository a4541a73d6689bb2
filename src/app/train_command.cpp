#include <signal.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "measure/memory_advice.hpp"
#include "parallel/world.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

// The first SIGINT, SIGTERM, SIGHUP or SIGUSR1 asks for a clean end; the next one ends at once, but for SIGUSR1, which
// launchers repeat, and SIGHUP, which the end of a session sends beside another one. A thread of its own waits for them
// and every other thread has them blocked: oneDNN's matrix kernels point the stack register at a heap buffer while they
// run, and a handler on such a thread would overwrite the heap with its frame.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGUSR1);
    if (!is_ignored(SIGHUP)) sigaddset(&set_, SIGHUP);  // nohup has it ignored
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);         // threads made from here on inherit it
    thread_ = std::jthread([this](const std::stop_token& end) { wait(end); });
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() {
    thread_.request_stop();
    pthread_kill(thread_.native_handle(), SIGTERM);
  }
  const std::atomic<bool>& asked() const { return asked_; }

 private:
  static bool is_ignored(int signal) {
    struct sigaction now {};
    return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
  }
  void wait(const std::stop_token& end) {
    bool asked_before = false;
    for (int signal = 0; sigwait(&set_, &signal) == 0 && !end.stop_requested();) {
      asked_ = true;
      const bool insists = asked_before && signal != SIGUSR1 && signal != SIGHUP;
      asked_before |= signal != SIGHUP;
      if (!insists) continue;
      std::signal(signal, SIG_DFL);
      pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
      std::raise(signal);
    }
  }
  sigset_t set_;
  std::atomic<bool> asked_ = false;
  std::jthread thread_;
};

}  // namespace

int train_command(const std::string& config, const Arguments& args) {
  check(args.plain.empty(), "'{}' is not of the form key=value", args.plain.empty() ? "" : args.plain[0]);
  StopSignals signals;
  const RunConfig cfg = RunConfig::load(config, args.overrides);
  auto world = open_world(cfg.parallel.patience());
  const int ranks = world->size();
  Ended ended = Ended::finished;
  with_memory_advice(cfg, ranks, [&] { ended = train(cfg, std::move(world), signals.asked()); });
  return ended == Ended::finished ? exit_done : exit_stopped;
}

std::string help_config() {
  RunConfig c;
  return describe(Fields::of(c)) + c.task->help_of_lists();
}

}  // namespace lact
