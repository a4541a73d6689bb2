#include "models/view_synthesis/damage.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "parallel/together.hpp"
#include "tensor/device.hpp"

namespace lact {
namespace {

// The sentences of all ranks, each once. Collective.
std::set<std::string> found_anywhere(const std::vector<std::string>& here, Communicator& world) {
  std::string mine;
  for (const std::string& sentence : here) mine += sentence + '\0';
  std::set<std::string> all;
  for (const std::string& sentences : gathered(world, mine))
    for (std::size_t at = 0, end; (end = sentences.find('\0', at)) != sentences.npos; at = end + 1)
      all.insert(sentences.substr(at, end - at));
  return all;
}

// This rank's share of all views.
void read_share(const WatchedViews& source, const DataConfig& config, const Communicator& world) {
  std::vector<std::pair<std::int64_t, std::int64_t>> mine;
  std::int64_t count = 0;
  for (std::int64_t s = 0; s < source.scenes(); ++s)
    for (std::int64_t v = 0; v < source.views(s); ++v)
      if (count++ % world.size() == world.rank()) mine.emplace_back(s, v);
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr other;  // than damage
  auto work = [&] {
    for (std::size_t i; (i = next++) < mine.size();) {
      try {
        source.load(mine[i].first, mine[i].second, config.height(), config.width());
      } catch (const DamagedPicture&) {  // the source remembers it
      } catch (...) {
        std::lock_guard lock(mutex);
        other = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> readers;
    for (std::int64_t i = 1; i < std::max<std::int64_t>(config.threads, threads()); ++i) readers.emplace_back(work);
    work();
  }
  if (other) std::rethrow_exception(other);
}

}  // namespace

void DamageReport::tell(const std::vector<std::string>& found, Communicator& world) {
  for (const std::string& sentence : found_anywhere(found, world))
    if (told_.insert(sentence).second && world.rank() == 0)
      log::warning("{}; {} ({} damaged so far)", sentence, consequence_, told_.size());
}

void refuse_damaged(const WatchedViews& source, const DataConfig& config, Communicator& world) {
  together(world, [&] { read_share(source, config, world); });
  const std::set<std::string> all = found_anywhere(source.damaged(), world);
  if (all.empty()) return;
  const std::string rest = all.size() > 1 ? fill("; {} more pictures are damaged", {all.size() - 1}) : "";
  fail("{}{}; data.damaged=skip trains without them", *all.begin(), rest);
}

}  // namespace lact
