// A watchdog of several ranks inside one process, and who is let in where they meet.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <mutex>
#include <set>

#include "parallel/health/watch_link.hpp"
#include "parallel/health/watchdog.hpp"
#include "support/waiting.hpp"

namespace lact {
namespace {

// Several ranks of one process: each has an activity, and what its watchdog says at the end.
class Star : public testing::Test {
 protected:
  static constexpr int ranks = 3;
  void SetUp() override {
    Meeting meeting = Meeting::open({loopback()});
    invitation_ = meeting.invitation;
    for (int r = 0; r < ranks; ++r) {
      activities_[std::size_t(r)].line_of("cp", {0, 1, 2});
      if (r != absent_) start(r, r == 0 ? std::move(meeting) : Meeting{invitation_, {}});
    }
  }
  void start(int r, Meeting meeting) {
    const auto say = [this](const std::string& sentence) {
      const std::scoped_lock held(mutex_);
      said_.push_back(sentence);
    };
    const auto remark = [this](const std::string& sentence) {
      const std::scoped_lock held(mutex_);
      remarked_.push_back(sentence);
    };
    const auto end = [this, r] {
      const std::scoped_lock held(mutex_);
      ended_.insert(r);
    };
    auto& dog = dogs_[std::size_t(r)];
    dog = std::make_unique<Watchdog>(r, ranks, std::move(meeting), activities_[std::size_t(r)], Patience{2, 12},
                                     Watchdog::Ending{say, end, remark});
  }
  Activity& activity(int r) { return activities_[std::size_t(r)]; }
  void leave(int r) { dogs_[std::size_t(r)].reset(); }
  void fail_on(int r) {
    try {
      const std::unique_ptr<Watchdog> on_the_way_out = std::move(dogs_[std::size_t(r)]);
      throw std::runtime_error("a rank fails");
    } catch (const std::runtime_error&) {
    }
  }
  std::set<int> ended() {
    const std::scoped_lock held(mutex_);
    return ended_;
  }
  std::vector<std::string> said() {
    const std::scoped_lock held(mutex_);
    return said_;
  }
  std::vector<std::string> remarked() {
    const std::scoped_lock held(mutex_);
    return remarked_;
  }
  void wait_in_the_first_collective(std::initializer_list<int> waiting) {
    for (int r : waiting) {
      activity(r).lines[0].begun = 1;
      auto& b = activity(r).blocked;
      b.sequence = 1, b.since = steady_seconds();
      b.line = b.last = 0;
    }
  }

  int absent_ = -1;  // this rank does not start with the others
  Invitation invitation_;
  std::array<Activity, ranks> activities_;
  std::mutex mutex_;
  std::vector<std::string> said_, remarked_;
  std::set<int> ended_;
  std::array<std::unique_ptr<Watchdog>, ranks> dogs_;  // last: they end before what they use
};

TEST_F(Star, RanksThatFinishOneAfterTheOtherLeaveInPeace) {
  pause_for(0.6);
  for (int r : {1, 0, 2}) leave(r), pause_for(0.5);
  EXPECT_TRUE(ended().empty());
  EXPECT_TRUE(said().empty());
}

TEST_F(Star, ARankThatKeepsTheOthersWaitingEndsAllOfThemWithOneSentence) {
  wait_in_the_first_collective({0, 2});
  EXPECT_TRUE(comes_true([&] { return ended() == std::set{0, 1, 2}; }, 10));
  ASSERT_EQ(said().size(), 1u);
  EXPECT_TRUE(said()[0].starts_with("rank 1 on ")) << said()[0];
  EXPECT_NE(said()[0].find(" has not come to all_reduce 1 of cp"), std::string::npos) << said()[0];
}

TEST_F(Star, AFileIsWaitedForAndNamedOnceAndTimeBeginsAnewWhenItIsDone) {
  wait_in_the_first_collective({0, 2});
  {
    const FileWork work("writing", "runs/a/checkpoints/step_00000004.h5");
    EXPECT_TRUE(comes_true([&] { return !remarked().empty(); }, 10)) << "after the timeout of 2 seconds";
    EXPECT_TRUE(ended().empty());
    ASSERT_EQ(remarked().size(), 1u);
    EXPECT_NE(remarked()[0].find("has been writing runs/a/checkpoints/step_00000004.h5 for "), std::string::npos)
        << remarked()[0];
    EXPECT_NE(remarked()[0].find("parallel.io_timeout=12 ends the job"), std::string::npos) << remarked()[0];
  }
  pause_for(1);
  EXPECT_TRUE(ended().empty()) << "who was at the file has its time to come";
  EXPECT_TRUE(comes_true([&] { return ended() == std::set{0, 1, 2}; }, 10));
  ASSERT_EQ(said().size(), 1u);
  EXPECT_NE(said()[0].find(" has not come to all_reduce 1 of cp"), std::string::npos) << said()[0];
}

TEST_F(Star, AFileThatTakesTooLongEndsAllOfThem) {
  wait_in_the_first_collective({0, 2});
  const FileWork work("writing", "runs/a/checkpoints/step_00000004.h5");
  EXPECT_TRUE(comes_true([&] { return ended() == std::set{0, 1, 2}; }, 30));
  ASSERT_EQ(said().size(), 1u);
  EXPECT_TRUE(said()[0].starts_with("rank 1 on ")) << said()[0];
  EXPECT_NE(said()[0].find("longer than parallel.io_timeout=12; rank "), std::string::npos) << said()[0];
}

TEST_F(Star, ARankThatFailsSpeaksForItself) {
  pause_for(0.6);
  fail_on(1);
  EXPECT_TRUE(comes_true([&] { return ended() == std::set{0, 2}; }, 10));
  EXPECT_TRUE(said().empty());
}

TEST_F(Star, WhenRankZeroFailsTheOthersEndToo) {
  pause_for(0.6);
  fail_on(0);
  EXPECT_TRUE(comes_true([&] { return ended() == std::set{1, 2}; }, 10));
  EXPECT_TRUE(said().empty());
}

// Rank 2 comes late, so that rank 0 still listens to whoever calls.
class Door : public Star {
 protected:
  Door() { absent_ = 2; }
  Socket call() const { return Socket::connect(invitation_.doors[0], 1); }
  Frame frame(int rank) const {
    Frame f;
    f.secret = invitation_.secret, f.rank = rank;
    return f;
  }
  static std::vector<std::byte> bytes_of(const Frame& f, std::size_t count = sizeof(Frame)) {
    const auto bytes = std::as_bytes(std::span(&f, 1));
    return {bytes.begin(), bytes.begin() + std::ptrdiff_t(count)};
  }
  // True once the other side has closed; what it says until then is thrown away.
  static bool is_cut_off(Socket& s, double seconds = 1) {
    std::vector<std::byte> heard;
    return comes_true([&] { return heard.clear(), s.receive(heard, 1 << 16), !s.open(); }, seconds);
  }
  void expect_that_rank_2_can_still_come() {
    start(2, Meeting{invitation_, {}});
    wait_in_the_first_collective({0, 1});  // nobody but a rank that is in can be the one that is awaited
    EXPECT_TRUE(comes_true([&] { return ended() == std::set{0, 1, 2}; }, 10));
    ASSERT_EQ(said().size(), 1u);
    EXPECT_TRUE(said()[0].starts_with("rank 2 on ")) << said()[0];
  }
};

TEST_F(Door, WhoProvesNothingIsCutOff) {
  pause_for(0.3);
  Frame wrong = frame(2), almost = frame(2), nobody = frame(ranks), again = frame(1), unsound = frame(2);
  wrong.secret = new_secret();
  almost.secret.back() ^= std::byte(1);
  unsound.sighting.lines = 1 << 30;
  for (const Frame& f : {wrong, almost, nobody, again, unsound}) {
    Socket s = call();
    s.send(bytes_of(f), 1);
    EXPECT_TRUE(is_cut_off(s));
  }
  Socket garbage = call();
  garbage.send(std::vector<std::byte>(3, std::byte(0xff)), 1);
  EXPECT_TRUE(is_cut_off(garbage)) << "at its first byte";
  expect_that_rank_2_can_still_come();
}

TEST_F(Door, WhoSaysHalfOrNothingIsCutOffInTime) {
  pause_for(0.3);
  Socket silent = call(), half = call();
  half.send(bytes_of(frame(2), sizeof(Frame) - 1), 1);
  EXPECT_FALSE(is_cut_off(half, 1));
  EXPECT_TRUE(is_cut_off(half, 3));
  EXPECT_TRUE(is_cut_off(silent, 1));
  expect_that_rank_2_can_still_come();
}

TEST_F(Door, ManyWhoSayNothingLeaveRoomForARank) {
  std::vector<Socket> idle;
  for (int i = 0; i < 500; ++i) idle.push_back(call());
  start(2, Meeting{invitation_, {}});
  for (int i = 0; i < 100; ++i) idle.push_back(call());
  pause_for(1);
  std::size_t kept = 0;
  for (Socket& s : idle) kept += s.open() && !is_cut_off(s, 0.001);
  EXPECT_LE(kept, 64u);
  EXPECT_TRUE(ended().empty());
  wait_in_the_first_collective({0, 1});
  EXPECT_TRUE(comes_true([&] { return ended() == std::set{0, 1, 2}; }, 10)) << "rank 2 was let in";
}

TEST_F(Door, AFloodIsNotKept) {
  const auto resident = [] {
    std::int64_t pages = 0;
    std::ifstream file("/proc/self/statm");
    file >> pages >> pages;
    return pages * ::getpagesize();
  };
  pause_for(0.3);
  const std::int64_t before = resident();
  const Frame proven = frame(2);
  for (const bool proves : {false, true}) {  // a stranger, then a member that never stops
    Socket s = call();
    const auto part = proves ? bytes_of(proven) : std::vector<std::byte>(sizeof(Frame), std::byte(1));
    for (const double until = steady_seconds() + 1; s.open() && steady_seconds() < until;) s.send(part, 0.2);
  }
  EXPECT_LT(resident() - before, 16 << 20);
  EXPECT_TRUE(ended().empty() || said()[0].starts_with("rank 2 ")) << "the others were heard meanwhile";
}

TEST_F(Door, AMemberThatSaysGarbageIsCutOff) {
  pause_for(0.3);
  Socket s = call();
  s.send(bytes_of(frame(2)), 1);
  std::vector<std::byte> heard;
  EXPECT_TRUE(comes_true([&] { return s.receive(heard, sizeof(Frame)), heard.size() == sizeof(Frame); }, 2))
      << "it is in";
  s.send(std::vector<std::byte>(100, std::byte(7)), 1);
  EXPECT_TRUE(is_cut_off(s));
  EXPECT_TRUE(comes_true([&] { return ended().contains(0) && ended().contains(1); }, 10));
}

TEST_F(Star, OnceAllRanksAreInNobodyIsHeard) {
  pause_for(0.6);
  for (int i = 0; i < 100; ++i) {
    Socket s = Socket::connect(invitation_.doors[0], 1);
    ASSERT_TRUE(s.open());
    std::vector<std::byte> heard;
    EXPECT_TRUE(comes_true([&] { return s.receive(heard, 1), !s.open(); }, 2));
    EXPECT_TRUE(heard.empty());
  }
  EXPECT_TRUE(ended().empty());
}

}  // namespace
}  // namespace lact
