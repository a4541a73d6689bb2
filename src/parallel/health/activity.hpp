// What this rank is doing in collectives. Written by the thread that communicates, readable by any other thread at any
// time without a lock: a watchdog compares the ranks.
#pragma once
#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "parallel/traffic.hpp"

namespace lact {

struct Activity {
  struct Line {                // the communicators of one label; label and members are fixed once the line is visible
    std::string label;         // "cp", "dp|cp", "world"
    std::vector<int> members;  // their ranks in the world
    // Collectives begun and finished. Equal on all members when nobody is behind: who has begun fewer is awaited by the
    // others. Exchanges of messages concern two ranks only: each rank counts its own.
    std::atomic<std::uint64_t> begun{0}, finished{0}, exchanges{0};
  };
  static constexpr int most_lines = 32;
  std::array<Line, most_lines> lines;
  std::atomic<int> used{0};  // lines[0 .. used) may be read

  // What the rank waits for now. `line` is -1 while it computes; the others then describe the last wait, on line
  // `last`.
  struct Blocked {
    std::atomic<int> line{-1}, last{-1};
    std::atomic<std::uint64_t> sequence{0};  // number of that collective on its line, from 1; 0 for an exchange
    std::atomic<std::uint64_t> exchange{0};  // its number, where it is one
    std::atomic<Op> op{Op::all_reduce};
    std::atomic<double> since{0};  // seconds of steady_seconds()
  };
  Blocked blocked;

  // The line of a label, made at its first use; communicators made later with the same label go on with its numbers.
  int line_of(const std::string& label, const std::vector<int>& members);
};

}  // namespace lact
