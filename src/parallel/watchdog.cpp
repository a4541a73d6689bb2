#include "parallel/watchdog.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "base/log.hpp"
#include "parallel/socket.hpp"

namespace lact {
namespace {

constexpr int first_port = 20000, ports = 12000;  // below those that systems give away by themselves
constexpr double tick = 0.1, between_reports = 0.25, patience_of_send = 0.5;
// A launcher that ends all ranks one after the other is done within it, so that this is not taken for a verdict; and of
// the half second that OpenMPI 5 leaves the others when a rank has died (version 4: two), enough is left to speak.
constexpr double seconds_to_stand = 0.2;
constexpr double seconds_to_meet = 60;     // for all ranks to reach rank 0
constexpr double seconds_to_say_why = 3;   // for a rank that failed, before the others end
constexpr double seconds_to_recover = 3;   // after a stop: the verdict over it may have been given meanwhile
constexpr double seconds_of_silence = 10;  // in which the launcher ends the ranks, so that only one of them speaks

// All that travels, both ways, as these bytes: ranks of one job run one binary.
struct Frame {
  enum class Kind : std::uint8_t { report, left, failed, end };
  std::array<char, 8> magic{'l', 'a', 'c', 't', 'd', 'o', 'g', '1'};
  std::array<char, 64> job{};
  Kind kind = Kind::report;
  std::int32_t rank = 0;
  Sighting sighting;
};
static_assert(std::is_trivially_copyable_v<Frame>);

class Link {  // a connection and what has come of the next frame
 public:
  Link() = default;
  explicit Link(Socket s) : socket_(std::move(s)) {}
  bool open() const { return socket_.open(); }
  int fd() const { return socket_.fd(); }
  void close() { socket_.close(); }
  void send(const Frame& f) { socket_.send(std::as_bytes(std::span(&f, 1)), patience_of_send); }
  // Frames of this job, oldest first; whoever sends anything else is cut off.
  std::vector<Frame> receive(const Frame& like) {
    std::vector<Frame> all;
    socket_.receive(bytes_);
    std::size_t at = 0;
    for (; bytes_.size() - at >= sizeof(Frame); at += sizeof(Frame)) {
      Frame f;
      std::memcpy(&f, bytes_.data() + at, sizeof f);
      if (f.magic != like.magic || f.job != like.job) {
        close();
        break;
      }
      all.push_back(f);
    }
    bytes_.erase(bytes_.begin(), bytes_.begin() + std::ptrdiff_t(at));
    return all;
  }

 private:
  Socket socket_;
  std::vector<std::byte> bytes_;
};

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

class Post {  // what both ends share: who we are, and a clock that is not fooled when the whole host was asleep
 public:
  Post(const Launch& l, const Activity& activity, Patience patience, Watchdog::Ending ending,
       const std::atomic<bool>& failed)
      : launch_(l), patience_(patience), ending_(std::move(ending)), failed_(failed), observer_(activity, host_name()) {
    std::memcpy(frame_.job.data(), l.job.data(), std::min(l.job.size(), frame_.job.size() - 1));
    frame_.rank = l.rank;
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
  // True when there has been a verdict at every call for so many seconds: by then the others have come to where they
  // wait.
  bool stands(const std::optional<Verdict>& verdict, double seconds) {
    const double now = steady_seconds();
    if (!verdict || now < may_judge_at_)
      standing_since_ = 0;
    else if (standing_since_ == 0)
      standing_since_ = now;
    return standing_since_ > 0 && now >= standing_since_ + seconds;
  }

  const Launch launch_;
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
      auto verdict = gone(ranks_, patience_.timeout);
      if (!verdict) verdict = awaited(ranks_, patience_);
      if (stands(verdict, seconds_to_stand)) return pronounce(verdict->sentence);
      remark_on_files();
    }
    send_all(farewell());
  }

 private:
  bool open() {
    const auto& at = launch_.meeting;
    if (at.empty() || std::ranges::none_of(at, Socket::is_this_host)) {
      log::warning(
          "a rank that dies or stops goes unnoticed: the others cannot know that rank 0 is on {}; start with "
          "launch/run, or with LACT_STATUS_ADDRESS=HOST set to its name",
          host_name());
      return false;
    }
    for (int i = 0; i < Watchdog::ports_tried && !listener_.open(); ++i)
      listener_ = Socket::listen(Watchdog::port(launch_.job, i), at.size() == 1 && at.front() == "127.0.0.1");
    if (!listener_.open()) log::warning("a rank that dies or stops goes unnoticed: no port is free for the watchdog");
    ranks_.resize(std::size_t(launch_.ranks));
    links_.resize(ranks_.size());
    heard_.resize(ranks_.size(), 0);
    return listener_.open();
  }
  void wait() {
    std::vector<int> fds = {listener_.fd()};
    for (const auto* links : {&strangers_, &links_})
      for (const Link& l : *links) fds.push_back(l.fd());
    wait_readable(fds, tick);
    const double asleep = overslept();
    for (double& h : heard_) h += asleep;
    ranks_[0].state = Watched::State::present;
    ranks_[0].last = frame(Frame::Kind::report).sighting;
    heard_[0] = steady_seconds();
  }
  void meet() {
    for (Socket s = listener_.accept(); s.open(); s = listener_.accept()) strangers_.emplace_back(std::move(s));
    for (Link& stranger : strangers_) {
      const auto frames = stranger.receive(frame_);
      if (frames.empty()) continue;
      const auto r = std::size_t(frames.front().rank);
      if (r == 0 || r >= ranks_.size() || ranks_[r].state != Watched::State::absent) {
        stranger.close();
        continue;
      }
      links_[r] = std::move(stranger);
      for (const Frame& f : frames) hear(r, f);
      links_[r].send(frame(Frame::Kind::report));
    }
    std::erase_if(strangers_, [](const Link& l) { return !l.open(); });
  }
  void listen() {
    const double now = steady_seconds();
    for (std::size_t r = 1; r < ranks_.size(); ++r) {
      Watched& w = ranks_[r];
      for (const Frame& f : links_[r].receive(frame_)) hear(r, f);
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
    // What has not been read when this process ends would take the message back.
    for (const double until = steady_seconds() + 3 * tick; steady_seconds() < until; wait())
      for (Link& l : links_) l.receive(frame_);
    ending_.end();
  }

  Socket listener_;
  std::vector<Link> strangers_, links_;  // links by rank
  std::vector<Watched> ranks_;
  std::vector<double> heard_;
  double reported_ = 0, failed_at_ = 0;
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
      const auto verdict = gone(ranks_, patience_.timeout);
      if (!stands(verdict, patience())) continue;
      if (failed_at_ == 0) ending_.say(verdict->sentence);
      return ending_.end();
    }
    link_.send(farewell());
  }

 private:
  // Rank 0 may not be there yet, and a port may be another program's.
  bool meet(const std::stop_token& stop) {
    const double until = steady_seconds() + seconds_to_meet;
    while (!stop.stop_requested() && steady_seconds() < until) {
      for (const std::string& host : launch_.meeting)
        for (int i = 0; i < Watchdog::ports_tried && !stop.stop_requested(); ++i) {
          link_ = Link(Socket::connect(host, Watchdog::port(launch_.job, i), 1));
          if (!link_.open()) continue;
          link_.send(frame(Frame::Kind::report));
          wait_readable(std::array{link_.fd()}, 2);
          const auto frames = link_.receive(frame_);
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
    for (const Frame& f : link_.receive(frame_)) {
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
    return launch_.rank == 1 ? seconds_to_stand : seconds_of_silence;
  }

  Link link_;
  std::vector<Watched> ranks_ = std::vector<Watched>(std::size_t(launch_.rank) + 1);  // rank 0 and this one
  double heard_ = 0, failed_at_ = 0;
};

}  // namespace

int Watchdog::port(const std::string& job, int attempt) {
  std::uint32_t h = 2166136261u;  // FNV-1a
  for (char c : job) h = (h ^ std::uint8_t(c)) * 16777619u;
  return first_port + int((h + std::uint32_t(attempt) * 1013u) % std::uint32_t(ports));
}

Watchdog::Ending Watchdog::end_process() {
  return {[](const std::string& sentence) { log::error("{}", sentence); },
          [] { std::_Exit(1); },  // nothing is cleaned up: other threads may hang for ever
          [](const std::string& sentence) { log::warning("{}", sentence); }};
}

Watchdog::Watchdog(const Launch& launch, const Activity& activity, Patience patience, Ending ending) {
  if (launch.ranks < 2 || patience.timeout <= 0) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);  // signals are for the program's threads
  thread_ = std::jthread([this, launch, &activity, patience, ending = std::move(ending)](const std::stop_token& stop) {
    if (launch.rank == 0)
      Centre(launch, activity, patience, ending, failed_).run(stop);
    else
      Ray(launch, activity, patience, ending, failed_).run(stop);
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Watchdog::~Watchdog() { failed_ = std::uncaught_exceptions() > 0; }

}  // namespace lact
