// Rank-aware lines on stderr: the one place that prints besides a command's own result on stdout.
#pragma once
#include "base/check.hpp"

namespace lact::log {

// Warnings and errors carry "[rank N]" where there are several; ranks other than 0 are silent below `warning`.
void set_rank(int rank, int ranks);
void set_rank_of_thread(int rank, int ranks);  // of the calling thread alone, where a process plays several ranks
void info_with(const Said& text, std::initializer_list<Word> words);
void warning_with(const Said& text, std::initializer_list<Word> words);
void error_with(const Said& text, std::initializer_list<Word> words);
template <class... A>
void info(Said text, const A&... words) {
  info_with(text, {Word(words)...});
}
template <class... A>
void warning(Said text, const A&... words) {
  warning_with(text, {Word(words)...});
}
template <class... A>
void error(Said text, const A&... words) {
  error_with(text, {Word(words)...});
}
// Replaces the current line on a terminal, writes a plain line elsewhere (rank 0 only).
void progress(const std::string& line);
void end_line();  // what follows does not overwrite the progress line

}  // namespace lact::log
