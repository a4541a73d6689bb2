#include "parallel/health/activity.hpp"

namespace lact {

int Activity::line_of(const std::string& label, const std::vector<int>& members) {
  const int n = used.load(std::memory_order_relaxed);
  for (int i = 0; i < n; ++i)
    if (lines[std::size_t(i)].label == label && lines[std::size_t(i)].members == members) return i;
  if (n == most_lines) return most_lines - 1;  // nothing makes so many: the last line is shared by the rest
  lines[std::size_t(n)].label = label;
  lines[std::size_t(n)].members = members;
  used.store(n + 1, std::memory_order_release);
  return n;
}

}  // namespace lact
