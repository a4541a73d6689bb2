#include "data/text/tokenizers/merges.hpp"

#include <queue>
#include <tuple>

namespace lact {
namespace {

std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
  return std::uint64_t(std::uint32_t(left)) << 32 | std::uint32_t(right);
}

// A pair that may be merged: of the symbol at `at` and the one behind it, while they make `becomes`.
struct Chance {
  std::int32_t turn, becomes;
  std::int64_t at;
  bool operator<(const Chance& o) const { return std::tie(turn, at) > std::tie(o.turn, o.at); }  // the first on top
};

// The neighbours of the symbols that are left; -1 is none.
struct Links {
  std::vector<std::int64_t> before, behind;
  explicit Links(std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      before.push_back(i - 1);
      behind.push_back(i + 1 < n ? i + 1 : -1);
    }
  }
  void remove(std::int64_t i) {
    const std::int64_t b = before[std::size_t(i)], n = behind[std::size_t(i)];
    if (b >= 0) behind[std::size_t(b)] = n;
    if (n >= 0) before[std::size_t(n)] = b;
  }
};

}  // namespace

void Merges::add(std::int32_t left, std::int32_t right, std::int32_t becomes) {
  of_pair_[pair_of(left, right)] = {count_++, becomes};
}

const Merges::Merge* Merges::find(std::int32_t left, std::int32_t right) const {
  const auto found = of_pair_.find(pair_of(left, right));
  return found == of_pair_.end() ? nullptr : &found->second;
}

void Merges::merge(std::vector<std::int32_t>& symbols) const {
  constexpr std::int32_t gone = -1;
  Links links(std::int64_t(symbols.size()));
  std::priority_queue<Chance> chances;
  auto symbol = [&](std::int64_t i) -> std::int32_t& { return symbols[std::size_t(i)]; };
  auto offer = [&](std::int64_t at) {
    const std::int64_t next = at < 0 ? -1 : links.behind[std::size_t(at)];
    if (next < 0) return;
    if (const Merge* m = find(symbol(at), symbol(next))) chances.push({m->turn, m->becomes, at});
  };
  for (std::int64_t i = 0; i < std::int64_t(symbols.size()); ++i) offer(i);
  while (!chances.empty()) {
    const Chance c = chances.top();
    chances.pop();
    const std::int64_t next = symbol(c.at) == gone ? -1 : links.behind[std::size_t(c.at)];
    if (next < 0) continue;
    const Merge* m = find(symbol(c.at), symbol(next));
    if (m == nullptr || m->becomes != c.becomes) continue;  // one of the two has become something else
    symbol(c.at) = c.becomes;
    symbol(next) = gone;
    links.remove(next);
    offer(links.before[std::size_t(c.at)]);
    offer(c.at);
  }
  std::erase(symbols, gone);
}

}  // namespace lact
