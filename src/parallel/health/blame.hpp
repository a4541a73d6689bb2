// Who is to blame when ranks stand still: what every rank says of itself, and the judgement over all of it. No clock
// and no network, so that it is tested on one rank.
#pragma once
#include <functional>
#include <limits>
#include <optional>

#include "base/file_work.hpp"
#include "parallel/health/activity.hpp"

namespace lact {

struct Sighting {  // what a rank says of itself; travels between the hosts of a job as these bytes
  struct Begun {
    std::uint64_t line = 0, collectives = 0;
  };
  std::array<char, 64> host{};
  std::array<char, 32> label{};          // of the line it waits in, or waited in last; empty before its first wait
  std::uint64_t line = 0, sequence = 0;  // that line, the same number on all its members, and the collective's number
  std::uint64_t exchange = 0;            // or, of its own exchanges, the number
  Op op = Op::all_reduce;
  bool waiting = false;
  double waited = 0;              // seconds in that collective, while it waits
  std::array<char, 160> files{};  // what it is at with a file: "writing PATH"; empty where there is nothing
  double at_files = 0;            // seconds in that
  // Seconds since it was last done with a file; 0 while it is at one.
  double since_files = std::numeric_limits<double>::infinity();
  static constexpr int most_ranks = 4096;                // members from here on are not reported, so not waited for
  std::array<std::uint64_t, most_ranks / 64> members{};  // of that line, a bit per rank
  bool has_member(int rank) const {
    return rank < most_ranks && (members[std::size_t(rank) / 64] >> (rank % 64) & 1u) != 0;
  }
  std::int32_t lines = 0;
  std::array<Begun, Activity::most_lines> begun{};  // on each line that the rank is a member of
};

class Observer {  // reads an activity while others write it
 public:
  using Files = std::function<FileWork::Seen()>;
  Observer(const Activity& activity, const std::string& host, Files files = FileWork::seen);
  Sighting look(double now);

 private:
  const Activity& activity_;
  Files files_;
  Sighting seen_;
};

struct Watched {
  enum class State : std::uint8_t {
    absent,   // not heard of yet
    present,  // heard of
    lost,     // its connection ended without a word
    left,     // finished
  } state = State::absent;
  Sighting last;
  double silent = 0;  // seconds since it was heard
};

struct Blame {  // the rank that holds up the others, and the sentence that ends the job
  int rank = 0;
  std::string sentence;
};
struct Patience {            // in seconds
  double timeout = 60;       // for a rank that does not answer, or does not come to a collective; 0 watches nobody
  double io_timeout = 1800;  // for one that reads or writes a file meanwhile; 0 waits for ever
};
// Where several ranks are to blame, the one that has begun the fewest collectives of the line is named.
// A rank that was lost, or else one that is silent for more than half the timeout:
std::optional<Blame> gone(const std::vector<Watched>& ranks, double timeout);
// The rank that another one has waited for in a collective for longer than the timeout. While any rank is at work with
// a file, within its io_timeout, nobody is blamed: others may wait for it through a chain of ranks, and the waits are
// counted anew when it is done.
std::optional<Blame> awaited(const std::vector<Watched>& ranks, const Patience& patience);
// The rank that another one has waited for longer than the timeout, but which is at work with a file within its
// io_timeout: worth a remark, no reason to end.
std::optional<Blame> excused(const std::vector<Watched>& ranks, const Patience& patience);

}  // namespace lact
