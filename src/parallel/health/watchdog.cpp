#include "parallel/health/watchdog.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <exception>

#include "base/log.hpp"
#include "parallel/health/watch_link.hpp"

namespace lact {
namespace {

constexpr double tick = 0.1, between_reports = 0.25;
constexpr double between_looks = 0.01;  // at least, so that strangers who call without end cost little
// A launcher that ends all ranks one after the other is done within it, so that this is not taken for a rank that died;
// and of the half second that OpenMPI 5 leaves the others when a rank has died (version 4: two), enough is left to
// speak.
constexpr double seconds_to_stand = 0.2;
constexpr double seconds_to_meet = 60;      // for all ranks to reach rank 0
constexpr double seconds_to_prove = 2;      // for a caller to show that it is a rank
constexpr std::size_t most_strangers = 64;  // callers who have not, and how many are heard at a time
constexpr double seconds_to_say_why = 3;    // for a rank that failed, before the others end
constexpr double seconds_to_recover = 3;    // after a stop: the judgement over it may have been passed meanwhile
constexpr double seconds_of_silence = 10;   // in which the launcher ends the ranks, so that only one of them speaks

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

class Post {  // what rank 0 and the others share: who they are, and a clock that notices when the host was asleep
 public:
  Post(int rank, int ranks, Meeting meeting, const Activity& activity, Patience patience, Watchdog::Ending ending,
       const std::atomic<bool>& failed)
      : rank_(rank),
        count_(ranks),
        meeting_(std::move(meeting)),
        patience_(patience),
        ending_(std::move(ending)),
        failed_(failed),
        observer_(activity, host_name()) {
    frame_.secret = meeting_.invitation.secret;
    frame_.rank = rank;
  }

 protected:
  Frame frame(Frame::Kind kind) {
    frame_.kind = kind;
    frame_.sighting = observer_.look(steady_seconds());
    return frame_;
  }
  Frame farewell() { return frame(failed_ ? Frame::Kind::failed : Frame::Kind::left); }
  // Seconds that this thread did not run although it wanted to: nobody could be heard in them.
  double overslept() {
    const double now = steady_seconds(), gap = last_tick_ > 0 ? now - last_tick_ : 0;
    last_tick_ = now;
    if (gap < 1) return 0;
    may_judge_at_ = now + seconds_to_recover;
    return gap;
  }
  // True when there has been somebody to blame at every call for so many seconds: by then the others have come to where
  // they wait.
  bool stands(const std::optional<Blame>& blame, double seconds) {
    const double now = steady_seconds();
    if (!blame || now < may_judge_at_)
      standing_since_ = 0;
    else if (standing_since_ == 0)
      standing_since_ = now;
    return standing_since_ > 0 && now >= standing_since_ + seconds;
  }

  Link link_to(Socket s) const { return {std::move(s), meeting_.invitation.secret}; }

  const int rank_, count_;
  const Meeting meeting_;
  const Patience patience_;
  const Watchdog::Ending ending_;
  const std::atomic<bool>& failed_;
  Frame frame_;

 private:
  Observer observer_;
  double last_tick_ = 0, may_judge_at_ = 0, standing_since_ = 0;
};

class Centre final : public Post {  // rank 0: hears all ranks and judges
 public:
  using Post::Post;
  void run(const std::stop_token& stop) {
    if (!open()) return;
    const double begun = steady_seconds();
    while (!stop.stop_requested()) {
      wait();
      meet();
      listen();
      if (steady_seconds() - reported_ >= between_reports) report();
      if (begun + seconds_to_meet < steady_seconds()) name_the_absent();
      if (end_what_failed()) return;
      auto blame = gone(ranks_, patience_.timeout);
      if (!blame) blame = awaited(ranks_, patience_);
      if (stands(blame, seconds_to_stand)) return pronounce(blame->sentence);
      remark_on_files();
    }
    send_all(farewell());
  }

 private:
  bool open() {
    ranks_.resize(std::size_t(count_));
    links_.resize(ranks_.size());
    heard_.resize(ranks_.size(), 0);
    if (meeting_.doors.empty())
      log::warning(
          "a rank that dies or stops goes unnoticed: the other hosts find no way to {}; LACT_STATUS_ADDRESS=ADDRESS "
          "names the one of its addresses that they reach",
          host_name());
    return !meeting_.doors.empty();
  }
  void wait() {
    std::vector<int> fds;
    for (const Socket& door : meeting_.doors) fds.push_back(door.fd());
    for (const Stranger& s : strangers_) fds.push_back(s.link.fd());
    for (const Link& l : links_) fds.push_back(l.fd());
    const double early = last_look_ + between_looks - steady_seconds();
    if (early > 0) std::this_thread::sleep_for(std::chrono::duration<double>(early));
    wait_readable(fds, tick);
    last_look_ = steady_seconds();
    const double asleep = overslept();
    for (double& h : heard_) h += asleep;
    ranks_[0].state = Watched::State::present;
    ranks_[0].last = frame(Frame::Kind::report).sighting;
    heard_[0] = steady_seconds();
  }
  void meet() {
    for (const Socket& door : meeting_.doors) answer(door);
    const double now = steady_seconds();
    for (Stranger& stranger : strangers_) {
      const auto frames = stranger.link.receive(1);
      if (frames.empty()) {
        if (now > stranger.since + seconds_to_prove) stranger.link.close();
        continue;
      }
      const auto r = std::size_t(frames.front().rank);
      if (r == 0 || r >= ranks_.size() || ranks_[r].state != Watched::State::absent) {
        stranger.link.close();
        continue;
      }
      links_[r] = std::move(stranger.link);
      hear(r, frames.front());
      links_[r].send(frame(Frame::Kind::report));
    }
    std::erase_if(strangers_, [](const Stranger& s) { return !s.link.open(); });
  }
  // A caller is heard until it is a rank or is cut off; once all ranks are in, nobody is heard any more. Of too many
  // the one goes that has been silent for longest: a rank speaks at once.
  void answer(const Socket& door) {
    const bool all_are_in =
        std::ranges::none_of(ranks_, [](const Watched& w) { return w.state == Watched::State::absent; });
    for (std::size_t calls = 0; calls < most_strangers; ++calls) {
      Socket s = door.accept();
      if (!s.open()) return;
      if (all_are_in) continue;
      if (strangers_.size() == most_strangers) strangers_.pop_front();
      strangers_.push_back({link_to(std::move(s)), steady_seconds()});
    }
  }
  void listen() {
    const double now = steady_seconds();
    for (std::size_t r = 1; r < ranks_.size(); ++r) {
      Watched& w = ranks_[r];
      for (const Frame& f : links_[r].receive()) hear(r, f);
      w.silent = now - heard_[r];
      if (w.state == Watched::State::present && !links_[r].open()) w.state = Watched::State::lost;
    }
  }
  void hear(std::size_t r, const Frame& f) {
    heard_[r] = steady_seconds();
    ranks_[r].last = f.sighting;
    ranks_[r].state = f.kind == Frame::Kind::report ? Watched::State::present : Watched::State::left;
    if (f.kind == Frame::Kind::failed && failed_at_ == 0) failed_at_ = heard_[r];
  }
  void report() {
    send_all(frame(Frame::Kind::report));
    reported_ = steady_seconds();
  }
  void send_all(const Frame& f) {
    for (Link& l : links_)
      if (l.open()) l.send(f);
  }
  void name_the_absent() {
    if (named_) return;
    named_ = true;
    std::string who;
    for (std::size_t r = 0; r < ranks_.size(); ++r)
      if (ranks_[r].state == Watched::State::absent) who += (who.empty() ? "" : ", ") + std::to_string(r);
    if (!who.empty()) log::warning("the watchdog on {} was not reached by rank {}", host_name(), who);
  }
  void remark_on_files() {  // once for each file
    const auto wait = excused(ranks_, patience_);
    if (!wait) return;
    const Sighting& at = ranks_[std::size_t(wait->rank)].last;
    if (at.at_files < 3 * between_reports) return;  // what the others say of their waits may be older than that
    if (at.files != remarked_) ending_.remark(wait->sentence);
    remarked_ = at.files;
  }
  bool end_what_failed() {
    if (failed_at_ == 0 || steady_seconds() < failed_at_ + seconds_to_say_why) return false;
    pronounce("");
    return true;
  }
  void pronounce(const std::string& sentence) {
    if (!sentence.empty()) ending_.say(sentence);
    send_all(frame(Frame::Kind::end));
    // A connection that is closed with bytes unread is reset, and the other side may lose this last message.
    for (const double until = steady_seconds() + 3 * tick; steady_seconds() < until; wait())
      for (Link& l : links_) l.receive();
    ending_.end();
  }

  struct Stranger {
    Link link;
    double since = 0;
  };
  std::deque<Stranger> strangers_;  // the one that has called first is first
  std::vector<Link> links_;         // by rank
  std::vector<Watched> ranks_;
  std::vector<double> heard_;
  double reported_ = 0, failed_at_ = 0, last_look_ = 0;
  decltype(Sighting::files) remarked_{};
  bool named_ = false;
};

class Ray final : public Post {  // any other rank: reports to rank 0, and judges it alone
 public:
  using Post::Post;
  void run(const std::stop_token& stop) {
    if (!meet(stop)) return;
    double reported = 0;
    for (heard_ = steady_seconds(); !stop.stop_requested();) {
      if (steady_seconds() - reported >= between_reports) {
        link_.send(frame(Frame::Kind::report));
        reported = steady_seconds();
      }
      if (!listen()) return;
      const auto blame = gone(ranks_, patience_.timeout);
      if (!stands(blame, patience())) continue;
      if (failed_at_ == 0) ending_.say(blame->sentence);
      return ending_.end();
    }
    link_.send(farewell());
  }

 private:
  // Rank 0 may be slow to answer, and not every door can be reached from every host.
  bool meet(const std::stop_token& stop) {
    const double until = steady_seconds() + seconds_to_meet;
    while (!stop.stop_requested() && steady_seconds() < until) {
      for (const Address& door : meeting_.invitation.doors) {
        if (door.port == 0 || stop.stop_requested()) break;
        link_ = link_to(Socket::connect(door, 1));
        if (!link_.open()) continue;
        link_.send(frame(Frame::Kind::report));
        wait_readable(std::array{link_.fd()}, 2);
        const auto frames = link_.receive(1);
        if (frames.empty()) continue;
        ranks_[0].last = frames.front().sighting;
        return true;
      }
      std::this_thread::sleep_for(std::chrono::duration<double>(tick));
    }
    return false;
  }
  // False when there is nothing more to do.
  bool listen() {
    wait_readable(std::array{link_.fd()}, tick);
    heard_ += overslept();
    for (const Frame& f : link_.receive()) {
      heard_ = steady_seconds();
      ranks_[0].last = f.sighting;
      if (f.kind == Frame::Kind::failed) failed_at_ = heard_;
      if (f.kind == Frame::Kind::end) ending_.end();
      if (f.kind == Frame::Kind::left || f.kind == Frame::Kind::end) return false;
    }
    ranks_[0].silent = steady_seconds() - heard_;
    ranks_[0].state = link_.open() ? Watched::State::present : Watched::State::lost;
    ranks_.back().last = frame(Frame::Kind::report).sighting;
    return true;
  }
  // When rank 0 cannot speak, rank 1 does; the others only when they still live long after that.
  double patience() const {
    if (failed_at_ > 0) return seconds_to_say_why;
    return rank_ == 1 ? seconds_to_stand : seconds_of_silence;
  }

  Link link_;
  std::vector<Watched> ranks_ = std::vector<Watched>(std::size_t(rank_) + 1);  // rank 0 and this one
  double heard_ = 0, failed_at_ = 0;
};

}  // namespace

Watchdog::Ending Watchdog::end_process() {
  return {[](const std::string& sentence) { log::error("{}", sentence); },
          [] { std::_Exit(1); },  // nothing is cleaned up: other threads may hang for ever
          [](const std::string& sentence) { log::warning("{}", sentence); }};
}

Watchdog::Watchdog(int rank, int ranks, Meeting meeting, const Activity& activity, Patience patience, Ending ending) {
  if (ranks < 2 || patience.timeout <= 0) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);  // signals are for the program's threads
  thread_ = std::jthread([this, rank, ranks, meeting = std::move(meeting), &activity, patience,
                          ending = std::move(ending)](const std::stop_token& stop) mutable {
    if (rank == 0)
      Centre(rank, ranks, std::move(meeting), activity, patience, ending, failed_).run(stop);
    else
      Ray(rank, ranks, std::move(meeting), activity, patience, ending, failed_).run(stop);
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Watchdog::~Watchdog() { failed_ = std::uncaught_exceptions() > 0; }

}  // namespace lact
