#include "parallel/pipeline/rehearsal.hpp"

#include <algorithm>
#include <deque>
#include <map>

#include "base/check.hpp"

namespace lact {
namespace {

std::string text_of(Axes axes) {
  std::string out;
  for (std::size_t a = 0; a < 4; ++a)
    if (axes.has(Axis(a))) out += (out.empty() ? "" : "|") + std::string(name_of(Axis(a)));
  return out;
}

struct Begun {  // a collective in a rank's queue on one communicator
  std::string what;
  double at = 0, seconds = 0;
};
struct Travelling {  // a rank's exchange on the wires
  const std::vector<Letter>* letters = nullptr;
  std::size_t open = 0;  // letters that have not met their counterparts
  double posted = 0, ended = 0, seconds = 0;
};
class Stage {  // where the rehearsal happens
 public:
  Stage(const Grid& grid, const std::vector<RankCalls>& calls)
      : grid_(grid), calls_(calls), ranks_(calls.size()), result_{{}, 0, std::vector<double>(calls.size())} {}

  Rehearsal run() {
    for (bool moved = true; moved && result_.fault.empty();) {
      moved = false;
      for (std::size_t r = 0; r < ranks_.size(); ++r)
        while (result_.fault.empty() && advance(r)) moved = true;
    }
    if (result_.fault.empty()) look_for_leftovers();
    for (const Place& p : ranks_) result_.seconds = std::max(result_.seconds, p.clock);
    return std::move(result_);
  }

 private:
  struct Place {
    std::size_t next = 0;  // call
    double clock = 0;
    std::map<std::string, double> holds;  // value -> since when
    Travelling exchange;
    std::map<std::uint8_t, std::deque<Begun>> queues;              // by axes
    std::map<std::pair<std::uint8_t, std::string>, double> ended;  // collectives that nobody has finished yet
  };

  void fault(std::string s) {
    if (result_.fault.empty()) result_.fault = std::move(s);
  }

  bool advance(std::size_t r) {  // one call further
    Place& p = ranks_[r];
    if (p.next == calls_[r].size()) return false;
    const RankCall& c = calls_[r][p.next];
    bool over = true;
    if (c.kind == RankCall::compute) {
      over = computed(r, c);
    } else if (c.kind == RankCall::begin) {
      p.queues[c.along.bits].push_back({c.what, p.clock, c.seconds});
      meet(grid_.line(int(r), c.along), c.along);
    } else if (c.kind == RankCall::finish) {
      over = finished(r, c);
    } else {
      over = exchanged(r, c);
    }
    if (over) ++p.next;
    return over;
  }

  void take(std::size_t r, const std::string& value) {
    if (ranks_[r].holds.erase(value) == 0) fault(fill("rank {} needs {} and does not hold it", {r, value}));
  }
  void make(std::size_t r, const std::string& value, double since) {
    if (!ranks_[r].holds.try_emplace(value, since).second)
      fault(fill("rank {} makes {} while it still holds it", {r, value}));
  }

  bool computed(std::size_t r, const RankCall& c) {
    Place& p = ranks_[r];
    for (const std::string& v : c.takes) {
      auto it = p.holds.find(v);
      if (it == p.holds.end()) {
        if (expects(p, v)) return false;
        fault(fill("rank {} needs {} and does not hold it", {r, v}));
        return false;
      }
      p.clock = std::max(p.clock, it->second);
    }
    for (const std::string& v : c.takes) take(r, v);
    p.clock += c.seconds;
    result_.working[r] += c.seconds;
    for (const std::string& v : c.makes) make(r, v, p.clock);
    return true;
  }

  static bool expects(const Place& p, const std::string& value) {
    return p.exchange.open > 0 &&
           std::ranges::any_of(*p.exchange.letters, [&](const Letter& l) { return !l.send && l.what == value; });
  }

  // Collectives of one communicator happen in the order of its queue, each when all members have begun it.
  void meet(const std::vector<int>& members, Axes along) {
    auto queue = [&](int r) -> std::deque<Begun>& { return ranks_[std::size_t(r)].queues[along.bits]; };
    while (std::ranges::none_of(members, [&](int r) { return queue(r).empty(); })) {
      const Begun first = queue(members[0]).front();
      double at = 0;
      for (int r : members) {
        const Begun& mine = queue(r).front();
        if (mine.what != first.what)
          return fault(fill("on {} rank {} calls {} where rank {} calls {}",
                            {text_of(along), r, mine.what, members[0], first.what}));
        at = std::max(at, mine.at + mine.seconds);
      }
      for (int r : members) {
        queue(r).pop_front();
        bool fresh = ranks_[std::size_t(r)].ended.try_emplace({along.bits, first.what}, at).second;
        if (!fresh) fault(fill("rank {} begins {} on {} again before it finished it", {r, first.what, text_of(along)}));
      }
    }
  }

  bool finished(std::size_t r, const RankCall& c) {
    Place& p = ranks_[r];
    auto it = p.ended.find({c.along.bits, c.what});
    if (it == p.ended.end()) return false;
    p.clock = std::max(p.clock, it->second);
    p.ended.erase(it);
    return true;
  }

  // Lays the letters on the wires when the exchange before has ended. This one ends when all of them have met their
  // counterparts there.
  bool exchanged(std::size_t r, const RankCall& c) {
    Place& p = ranks_[r];
    if (p.exchange.open > 0) return false;
    for (const Letter& l : c.letters)
      if (l.send) take(r, l.what);
    p.clock = std::max(p.clock, p.exchange.ended);
    p.exchange = {&c.letters, c.letters.size(), p.clock, p.clock, c.seconds};
    for (const Letter& l : c.letters) {
      met(r, l);
      arrive(std::size_t(l.peer));
    }
    arrive(r);
    return true;
  }

  void met(std::size_t r, const Letter& l) {
    std::pair<int, int> way = l.send ? std::pair(int(r), l.peer) : std::pair(l.peer, int(r));
    auto& others = l.send ? receives_[way] : sends_[way];
    Travelling &mine = ranks_[r].exchange, &theirs = ranks_[std::size_t(l.peer)].exchange;
    if (others.empty()) return (l.send ? sends_ : receives_)[way].push_back(l.what);
    std::string other = others.front();
    others.pop_front();
    if (other != l.what)
      fault(fill("rank {} {} {} where rank {} {} {}",
                 {r, l.send ? "sends" : "receives", l.what, l.peer, l.send ? "receives" : "sends", other}));
    --mine.open, --theirs.open;
    for (Travelling* t : {&mine, &theirs})
      t->ended = std::max({t->ended, mine.posted + mine.seconds, theirs.posted + mine.seconds});
  }

  void arrive(std::size_t r) {
    Travelling& t = ranks_[r].exchange;
    if (t.open > 0 || t.letters == nullptr) return;
    for (const Letter& l : *t.letters)
      if (!l.send) make(r, l.what, t.ended);
    t.letters = nullptr;
  }

  void look_for_leftovers() {
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      Place& p = ranks_[r];
      if (p.exchange.open > 0) {
        const Letter& l = p.exchange.letters->front();
        return fault(fill("rank {} {} {} rank {}, which never answers in its place",
                          {r, l.send ? "sends" : "receives", l.what + (l.send ? " to" : " from"), l.peer}));
      }
      if (p.next < calls_[r].size())
        return fault(fill("rank {} waits for ever in its call {} ({})", {r, p.next, calls_[r][p.next].what}));
      for (auto& [axes, queue] : p.queues)
        if (!queue.empty()) return fault(fill("rank {} begins {} and others do not", {r, queue.front().what}));
      if (!p.ended.empty()) return fault(fill("rank {} never finishes {}", {r, p.ended.begin()->first.second}));
      if (!p.holds.empty()) return fault(fill("rank {} never uses {}", {r, p.holds.begin()->first}));
    }
  }

  const Grid& grid_;
  const std::vector<RankCalls>& calls_;
  std::vector<Place> ranks_;
  std::map<std::pair<int, int>, std::deque<std::string>> sends_, receives_;  // on the wires, by (sender, receiver)
  Rehearsal result_;
};

}  // namespace

Rehearsal rehearse(const Grid& grid, const std::vector<RankCalls>& calls) {
  check(std::size_t(grid.ranks()) == calls.size(), "a grid of {} ranks and the calls of {}", grid.ranks(),
        calls.size());
  return Stage(grid, calls).run();
}

}  // namespace lact
