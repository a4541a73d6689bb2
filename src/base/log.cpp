#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

namespace lact::log {
namespace {

struct Place {
  int rank = 0, ranks = 1;
};
thread_local std::optional<Place> of_thread;

struct State {
  Place of_process;
  bool open_line = false;
  std::shared_ptr<spdlog::logger> out;
  State() : out(spdlog::stderr_logger_mt("lact")) { out->set_pattern("%v"); }
  Place place() const { return of_thread.value_or(of_process); }
  std::string prefix() const { return place().ranks > 1 ? fill("[rank {}] ", {place().rank}) : std::string(); }
  void end_line() {
    if (open_line) std::fputc('\n', stderr);
    open_line = false;
  }
};
State& state() {
  static State s;
  return s;
}

}  // namespace

void set_rank(int rank, int ranks) { state().of_process = {rank, ranks}; }
void set_rank_of_thread(int rank, int ranks) { of_thread = {rank, ranks}; }

void info_with(const Said& text, std::initializer_list<Word> words) {
  State& s = state();
  if (s.place().rank != 0) return;
  s.end_line();
  s.out->info(fill(text.text, words));
}

void warning_with(const Said& text, std::initializer_list<Word> words) {
  State& s = state();
  s.end_line();
  s.out->warn(s.prefix() + "warning: " + one_line(fill(text.text, words)));
}

void error_with(const Said& text, std::initializer_list<Word> words) {
  State& s = state();
  s.end_line();
  s.out->error(s.prefix() + "lact: " + one_line(fill(text.text, words)));
}

void end_line() { state().end_line(); }

void progress(const std::string& line) {
  State& s = state();
  if (s.place().rank != 0) return;
  if (!isatty(STDERR_FILENO)) return s.out->info(line);
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  s.open_line = true;
}

}  // namespace lact::log
