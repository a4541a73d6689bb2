#include "base/file_work.hpp"

#include <map>
#include <mutex>

#include "base/clock.hpp"

namespace lact {
namespace {

struct Open {
  std::string what;
  double since = 0;
};
struct Works {
  std::mutex mutex;           // guards what follows
  std::map<long, Open> open;  // in the order in which they began
  long begun = 0;
  double ended = -1;
};
Works& works() {
  static Works all;
  return all;
}

thread_local int nested = 0;
thread_local bool left_out = false;

}  // namespace

FileWork::FileWork(const char* doing, const std::string& path) {
  if (nested++ > 0 || left_out) return;
  Works& all = works();
  const std::scoped_lock held(all.mutex);
  number_ = all.begun++;
  all.open.emplace_hint(all.open.end(), number_, Open{doing + (" " + path), steady_seconds()});
}

FileWork::~FileWork() {
  --nested;
  if (number_ < 0) return;
  Works& all = works();
  const std::scoped_lock held(all.mutex);
  all.open.erase(number_);
  all.ended = steady_seconds();
}

FileWork::Seen FileWork::seen() {
  Works& all = works();
  const std::scoped_lock held(all.mutex);
  if (all.open.empty()) return {"", 0, all.ended};
  const Open& first = all.open.begin()->second;
  return {first.what, first.since, all.ended};
}

void FileWork::leave_out_this_thread() { left_out = true; }

}  // namespace lact
