#include "parallel/simulated/virtual_ranks.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "base/check.hpp"
#include "base/cores.hpp"
#include "parallel/together.hpp"
#include "parallel/transport/reduction.hpp"

namespace lact {
namespace {

using Bytes = std::vector<std::byte>;
using Contributions = std::shared_ptr<const std::vector<Bytes>>;  // of every virtual rank

void append(Bytes& to, const void* from, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(from);
  to.insert(to.end(), bytes, bytes + size);
}

// Where all ranks meet at every call: each brings bytes and leaves with those of all.
class Meeting {
 public:
  Meeting(Communicator& processes, int ranks, std::vector<int> mine)
      : processes_(processes), ranks_(ranks), mine_(std::move(mine)), brought_(mine_.size()) {}

  Contributions meet(int rank, Bytes bytes) {
    std::unique_lock lock(mutex_);
    brought_[std::size_t(std::ranges::find(mine_, rank) - mine_.begin())] = std::move(bytes);
    const std::int64_t turn = turn_;
    if (++arrived_ == mine_.size()) {
      together_ = std::make_shared<const std::vector<Bytes>>(of_all());
      arrived_ = 0, ++turn_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return turn_ != turn || failed_; });
    check(turn_ != turn, "another rank of this process failed");
    return together_;  // a pointer of the caller's own: the next meeting makes new bytes and leaves these alone
  }
  void fail() {
    std::lock_guard lock(mutex_);
    failed_ = true;
    changed_.notify_all();
  }

 private:
  // This process' bytes and those of the others, by virtual rank.
  std::vector<Bytes> of_all() {
    std::string pack;  // of each rank played here: its number, its size, its bytes
    for (std::size_t i = 0; i < mine_.size(); ++i) {
      const std::int64_t head[2] = {mine_[i], std::int64_t(brought_[i].size())};
      pack.append(reinterpret_cast<const char*>(head), sizeof head);
      pack.append(reinterpret_cast<const char*>(brought_[i].data()), brought_[i].size());
    }
    std::vector<Bytes> all(static_cast<std::size_t>(ranks_));
    for (const std::string& text : gathered(processes_, pack)) {
      for (const char *at = text.data(), *end = at + text.size(); at < end;) {
        std::int64_t head[2];
        std::memcpy(head, at, sizeof head);
        at += sizeof head;
        append(all[std::size_t(head[0])], at, std::size_t(head[1]));
        at += head[1];
      }
    }
    return all;
  }

  Communicator& processes_;
  int ranks_;
  std::vector<int> mine_;
  std::mutex mutex_;  // guards what follows; held while processes meet, so one thread at a time speaks to them
  std::condition_variable changed_;
  std::vector<Bytes> brought_;
  std::size_t arrived_ = 0;
  std::int64_t turn_ = 0;
  bool failed_ = false;
  Contributions together_;
};

class Virtual final : public Communicator {
 public:
  Virtual(std::shared_ptr<Meeting> meeting, std::vector<int> members, int rank, const std::string& label)
      : Communicator(label), meeting_(std::move(meeting)), members_(std::move(members)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return int(members_.size()); }
  const char* transport() const override { return "threads"; }
  bool in_step() const override { return true; }

  std::unique_ptr<Communicator> split(int color, int key, const std::string& label) override {
    const int mine[2] = {color, key};
    Bytes bytes;
    append(bytes, mine, sizeof mine);
    const Contributions all = meet(std::move(bytes));
    std::vector<std::pair<int, int>> chosen;  // key, rank in the world
    for (int m : members_) {
      int theirs[2];
      std::memcpy(theirs, (*all)[std::size_t(m)].data(), sizeof theirs);
      if (theirs[0] == color) chosen.emplace_back(theirs[1], m);
    }
    std::ranges::stable_sort(chosen);
    std::vector<int> members;
    for (const auto& [k, m] : chosen) members.push_back(m);
    const auto at = std::ranges::find(members, members_[std::size_t(rank_)]) - members.begin();
    return std::make_unique<Virtual>(meeting_, std::move(members), int(at), label);
  }

 protected:
  bool comes_empty() const override { return true; }  // all come to every meeting

  std::shared_ptr<Work::State> start(Collective call) override {
    Bytes bytes;
    if (call.op == Op::exchange) {
      for (const Message& m : call.messages) {
        if (!m.send) continue;
        const std::int64_t head[2] = {m.peer, m.body.count() * size_of(m.body.dtype())};
        append(bytes, head, sizeof head);
        append(bytes, m.body.raw(), std::size_t(head[1]));
      }
    } else {
      append(bytes, call.in.raw(), std::size_t(call.in.count() * size_of(call.in.dtype())));
    }
    take(call, *meet(std::move(bytes)));
    return nullptr;
  }

 private:
  Contributions meet(Bytes bytes) { return meeting_->meet(members_[std::size_t(rank_)], std::move(bytes)); }

  void take(Collective& call, const std::vector<Bytes>& all) const {
    if (call.op == Op::exchange) return receive(call, all);
    const std::int64_t unit = size_of(call.out.dtype());
    const auto n = members_.size(), me = std::size_t(rank_);
    auto bytes_of = [&](std::size_t r) { return all[std::size_t(members_[r])].data(); };
    auto first = [&](std::size_t r) {
      return std::accumulate(call.counts.begin(), call.counts.begin() + std::ptrdiff_t(r), std::int64_t(0));
    };
    std::byte* out = call.out.raw();
    if (call.op == Op::all_gather) {
      for (std::size_t r = 0; r < n; ++r) put(out, bytes_of(r), call.counts[r] * unit);
    } else if (call.op == Op::all_to_all) {
      for (std::size_t r = 0; r < n; ++r) {
        const std::int64_t before = first(r * n + me) - first(r * n);
        put(out, bytes_of(r) + before * unit, call.counts[r * n + me] * unit);
      }
    } else if (call.op == Op::broadcast) {
      put(out, bytes_of(std::size_t(call.owner)), call.out.count() * unit);
    } else if (call.op != Op::reduce_to || rank_ == call.owner) {
      const std::int64_t offset = call.op == Op::reduce_scatter ? first(me) : 0;
      std::vector<const std::byte*> parts;
      for (std::size_t r = 0; r < n; ++r) parts.push_back(bytes_of(r) + offset * unit);
      reduce_ranks(out, parts, call.out.count(), call.out.dtype(), call.reduce);
    }
  }

  static void put(std::byte*& to, const std::byte* from, std::int64_t bytes) {
    if (bytes > 0) std::memcpy(to, from, std::size_t(bytes));
    to += bytes;
  }

  void receive(const Collective& call, const std::vector<Bytes>& all) const {
    std::vector<std::size_t> at(members_.size());  // what was read of each rank's messages
    for (const Message& m : call.messages) {
      if (m.send) continue;
      const Bytes& theirs = all[std::size_t(members_[std::size_t(m.peer)])];
      std::size_t& next = at[std::size_t(m.peer)];
      for (bool found = false; !found;) {
        check(next < theirs.size(), "a message from rank {} that it does not send", m.peer);
        std::int64_t head[2];
        std::memcpy(head, theirs.data() + next, sizeof head);
        next += sizeof head;
        found = head[0] == rank_;
        if (found) {
          const std::int64_t wanted = m.body.count() * size_of(m.body.dtype());
          check(head[1] == wanted, "a message of {} bytes where {} are awaited", head[1], wanted);
          std::memcpy(m.body.raw(), theirs.data() + next, std::size_t(wanted));
        }
        next += std::size_t(head[1]);
      }
    }
  }

  std::shared_ptr<Meeting> meeting_;
  std::vector<int> members_;  // ranks in the world of virtual ranks
  int rank_;
};

}  // namespace

void play_ranks(Communicator& processes, int ranks, const std::vector<int>& mine,
                const std::function<void(std::unique_ptr<Communicator> world)>& body) {
  auto meeting = std::make_shared<Meeting>(processes, ranks, mine);
  std::vector<int> everybody(static_cast<std::size_t>(ranks));
  std::iota(everybody.begin(), everybody.end(), 0);
  std::mutex first_of_all;
  std::exception_ptr error;
  {
    std::vector<std::jthread> threads;
    for (int rank : mine)
      threads.emplace_back([&, rank] {
        let_the_system_place_this_thread();
        try {
          body(std::make_unique<Virtual>(meeting, everybody, rank, "world"));
        } catch (...) {
          std::lock_guard lock(first_of_all);
          if (!error) error = std::current_exception();
          meeting->fail();
        }
      });
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace lact
