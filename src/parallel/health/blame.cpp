#include "parallel/health/blame.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.hpp"

namespace lact {
namespace {

using State = Watched::State;

template <std::size_t n>
void put(std::array<char, n>& into, const std::string& text) {
  into = {};
  std::memcpy(into.data(), text.data(), std::min(text.size(), n - 1));
}

// With its middle left out where it is longer: a path's end says more than its middle.
std::string shortened(const std::string& text, std::size_t most) {
  constexpr std::size_t begin = 40;
  if (text.size() <= most) return text;
  return text.substr(0, begin) + "..." + text.substr(text.size() - (most - begin - 3));
}

std::uint64_t key_of(const Activity::Line& line) {  // FNV-1a
  std::uint64_t h = 14695981039346656037u;
  auto mix = [&](std::uint64_t x) { h = (h ^ x) * 1099511628211u; };
  for (char c : line.label) mix(std::uint64_t(c));
  for (int m : line.members) mix(0x100u + std::uint64_t(m));
  return h;
}

std::string name_of(int rank, const Sighting& s) { return sentence("rank {} on {}", rank, s.host.data()); }

std::string collective(const Sighting& s) {
  return sentence("{} {} of {}", name_of(s.op), s.sequence > 0 ? s.sequence : s.exchange, s.label.data());
}

std::string doing(const Sighting& s) {
  if (s.files[0] != 0) return sentence("{} for {:.1f} s", s.files.data(), s.at_files);
  if (s.label[0] == 0) return "before its first collective";
  if (s.waiting) return sentence("waiting for {:.1f} s in {}", s.waited, collective(s));
  return "computing after " + collective(s);
}

// Collectives that it has begun on a line, as far as it has told.
std::uint64_t begun(const Sighting& s, std::uint64_t line) {
  for (int i = 0; i < s.lines; ++i)
    if (s.begun[std::size_t(i)].line == line) return s.begun[std::size_t(i)].collectives;
  return 0;
}

bool is_in(const Sighting& s, const Sighting& other) {
  return s.waiting && s.line == other.line && s.sequence == other.sequence;
}

// The member that the waiting rank waits for: with the fewest collectives begun, if it has not come; else one that has
// begun but does not wait. -1: all of them wait in the same collective.
int awaited_by(const std::vector<Watched>& ranks, int waiter) {
  const Sighting& w = ranks[std::size_t(waiter)].last;
  int found = -1;
  std::uint64_t fewest = 0;
  for (int r = 0; r < int(ranks.size()); ++r) {
    const Watched& x = ranks[std::size_t(r)];
    if (r == waiter || !w.has_member(r) || is_in(x.last, w)) continue;
    const std::uint64_t n = begun(x.last, w.line);
    if (found < 0 || n < fewest) found = r, fewest = n;
  }
  return found;
}

// Where a rank that is gone stands: the collective in which another one waits for it is newer than its own last word.
std::string standing(const std::vector<Watched>& ranks, int gone) {
  const Sighting& g = ranks[std::size_t(gone)].last;
  for (int r = 0; r < int(ranks.size()); ++r) {
    const Sighting& w = ranks[std::size_t(r)].last;
    if (r == gone || !w.waiting || is_in(g, w) || !w.has_member(gone)) continue;
    return sentence("{} waits for it in {}", name_of(r, w), collective(w));
  }
  return "it was last seen " + doing(g);
}

struct Wait {
  int waiter = -1;  // -1: nobody waits for longer than the timeout
  int blamed = -1;  // -1: all ranks of the line wait in the same collective
};

Wait longest_wait(const std::vector<Watched>& ranks, double timeout) {
  int waiter = -1;
  for (int r = 0; r < int(ranks.size()); ++r) {
    const Watched& x = ranks[std::size_t(r)];
    if (x.state != State::present || !x.last.waiting || x.last.waited < timeout) continue;
    if (waiter < 0 || x.last.waited > ranks[std::size_t(waiter)].last.waited) waiter = r;
  }
  if (waiter < 0) return {};
  // A rank that is waited for may itself wait for another one, along another line: the last of this chain is to blame.
  int blamed = awaited_by(ranks, waiter);
  for (std::size_t links = 0; links < ranks.size() && blamed >= 0; ++links) {
    const Sighting& b = ranks[std::size_t(blamed)].last;
    const int next = b.waiting && b.waited > timeout / 2 ? awaited_by(ranks, blamed) : -1;
    if (next < 0) break;
    waiter = blamed, blamed = next;
  }
  return {waiter, blamed};
}

bool at_a_file(const Watched& w) { return w.state == State::present && w.last.files[0] != 0; }
bool in_time(const Sighting& s, double io_timeout) { return io_timeout <= 0 || s.at_files < io_timeout; }

// Since any rank was at a file for which it still has time.
double seconds_without_files(const std::vector<Watched>& ranks, double io_timeout) {
  double least = std::numeric_limits<double>::infinity();
  for (const Watched& w : ranks)
    if (w.state == State::present && (!at_a_file(w) || in_time(w.last, io_timeout)))
      least = std::min(least, w.last.since_files + w.silent);
  return least;
}

}  // namespace

std::optional<Blame> excused(const std::vector<Watched>& ranks, const Patience& patience) {
  const auto [waiter, blamed] = longest_wait(ranks, patience.timeout);
  if (blamed < 0 || !at_a_file(ranks[std::size_t(blamed)])) return {};
  const Sighting &w = ranks[std::size_t(waiter)].last, &b = ranks[std::size_t(blamed)].last;
  if (!in_time(b, patience.io_timeout)) return {};
  return Blame{blamed, sentence("{} has been {} for {:.1f} s, and {} waits for it in {}; parallel.io_timeout={}{}",
                                name_of(blamed, b), b.files.data(), b.at_files, name_of(waiter, w), collective(w),
                                patience.io_timeout, patience.io_timeout > 0 ? " ends the job" : " waits for ever")};
}

std::optional<Blame> awaited(const std::vector<Watched>& ranks, const Patience& patience) {
  const auto [waiter, blamed] = longest_wait(ranks, patience.timeout);
  if (waiter < 0 || seconds_without_files(ranks, patience.io_timeout) < patience.timeout) return {};
  const Sighting& w = ranks[std::size_t(waiter)].last;
  const std::string limit = sentence("; parallel.timeout={}", patience.timeout);
  if (blamed < 0)
    return Blame{waiter, sentence("{} has waited for {:.1f} s in {}, to which all its ranks have come{}",
                                  name_of(waiter, w), w.waited, collective(w), limit)};
  const Watched& b = ranks[std::size_t(blamed)];
  if (at_a_file(b))
    return Blame{blamed,
                 sentence("{} has been {} for {:.1f} s, longer than parallel.io_timeout={}; {} waits for it in {}",
                          name_of(blamed, b.last), b.last.files.data(), b.last.at_files, patience.io_timeout,
                          name_of(waiter, w), collective(w))};
  const bool came = w.sequence > 0 && begun(b.last, w.line) >= w.sequence;
  return Blame{blamed,
               sentence("{} {} {}, where {} has waited for {:.1f} s; {}{}", name_of(blamed, b.last),
                        came ? "does not finish" : "has not come to", collective(w), name_of(waiter, w), w.waited,
                        b.state == State::left ? "it has left" : "it was last seen " + doing(b.last), limit)};
}

Observer::Observer(const Activity& activity, const std::string& host, Files files)
    : activity_(activity), files_(std::move(files)) {
  put(seen_.host, host);
}

Sighting Observer::look(double now) {
  const FileWork::Seen files = files_();
  put(seen_.files, shortened(files.what, seen_.files.size() - 1));
  const bool at_a_file = !files.what.empty();
  seen_.at_files = at_a_file ? now - files.since : 0;
  seen_.since_files = at_a_file ? 0 : files.ended < 0 ? std::numeric_limits<double>::infinity() : now - files.ended;
  const int lines = activity_.used.load(std::memory_order_acquire);
  for (; seen_.lines < lines; ++seen_.lines)
    seen_.begun[std::size_t(seen_.lines)].line = key_of(activity_.lines[std::size_t(seen_.lines)]);
  for (int i = 0; i < lines; ++i) seen_.begun[std::size_t(i)].collectives = activity_.lines[std::size_t(i)].begun;
  const Activity::Blocked& b = activity_.blocked;
  const int waits_in = b.line, line = waits_in >= 0 ? waits_in : int(b.last);
  seen_.waiting = waits_in >= 0;
  if (line < 0 || line >= lines) return seen_;
  const Activity::Line& l = activity_.lines[std::size_t(line)];
  put(seen_.label, l.label);
  seen_.members = {};
  for (int m : l.members)
    if (m < Sighting::most_ranks) seen_.members[std::size_t(m) / 64] |= std::uint64_t(1) << (m % 64);
  seen_.line = seen_.begun[std::size_t(line)].line, seen_.sequence = b.sequence, seen_.exchange = b.exchange,
  seen_.op = b.op;
  seen_.waited = seen_.waiting ? std::max(0.0, now - b.since) : 0;
  return seen_;
}

std::optional<Blame> gone(const std::vector<Watched>& ranks, double timeout) {
  int lost = -1, silent = -1;
  auto behind = [&](int a, int b) {  // of two that qualify, the one with fewer collectives of the same line
    if (b < 0) return true;
    const Sighting &x = ranks[std::size_t(a)].last, &y = ranks[std::size_t(b)].last;
    return begun(x, x.line) < begun(y, x.line);
  };
  for (int r = 0; r < int(ranks.size()); ++r) {
    const Watched& x = ranks[std::size_t(r)];
    if (x.state == State::lost && behind(r, lost)) lost = r;
    if (x.state == State::present && x.silent > timeout / 2 && behind(r, silent)) silent = r;
  }
  if (lost < 0 && silent < 0) return {};
  const int named = lost >= 0 ? lost : silent;
  const Watched& x = ranks[std::size_t(named)];
  return Blame{named,
               sentence("{} {}; {}", name_of(named, x.last),
                        lost >= 0 ? "died" : sentence("has stopped or is cut off, unheard for {:.1f} s", x.silent),
                        standing(ranks, named))};
}

}  // namespace lact
