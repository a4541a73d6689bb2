#include <atomic>
#include <csignal>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

std::atomic<bool> stop_asked = false;

// The first signal asks for a clean end; the next one ends at once.
void on_signal(int signal) {
  stop_asked = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

int train_command(const std::string& config, const Arguments& args) {
  check(args.plain.empty(), "'{}' is not of the form key=value", args.plain.empty() ? "" : args.plain[0]);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  Trainer trainer(RunConfig::load(config, args.overrides));
  return trainer.run(stop_asked) == Ended::finished ? exit_done : exit_stopped;
}

std::string help_config() {
  RunConfig c;
  c.model.block_config.clear();
  BlockConfig block;
  Fields inner("model.block_config.0.");
  block.fields(inner);
  return describe(Fields::of(c)) + describe(inner);
}

}  // namespace lact
