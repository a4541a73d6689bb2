// Who is named when ranks stand still, as far as it takes no clock and no network.
#include <gtest/gtest.h>

#include <algorithm>

#include "parallel/health/blame.hpp"

namespace lact {
namespace {

using State = Watched::State;
constexpr double timeout = 10;
constexpr Patience patience{.timeout = timeout, .io_timeout = 100};

// Ranks with a line "cp" of all of them; each has begun some collectives of it.
class Ranks {
 public:
  explicit Ranks(std::vector<std::uint64_t> begun) : activities_(begun.size()), watched_(begun.size()) {
    std::vector<int> all;
    for (std::size_t r = 0; r < begun.size(); ++r) all.push_back(int(r));
    for (std::size_t r = 0; r < begun.size(); ++r) {
      watched_[r].state = State::present;
      activities_[r].lines[std::size_t(activities_[r].line_of("cp", all))].begun = begun[r];
    }
  }
  Activity& activity(int r) { return activities_[std::size_t(r)]; }
  Watched& watched(int r) { return watched_[std::size_t(r)]; }
  // Waits for `seconds`, at the time 1000, in the collective of that number on its line.
  void waits(int r, std::uint64_t sequence, double seconds, int line = 0, Op op = Op::all_reduce) {
    auto& b = activity(r).blocked;
    b.sequence = sequence, b.op = op, b.since = 1000 - seconds;
    b.line = b.last = line;
  }
  void computes(int r) { activity(r).blocked.line = -1; }
  const std::vector<Watched>& now() {
    for (std::size_t r = 0; r < watched_.size(); ++r)
      watched_[r].last = Observer(activities_[r], "h" + std::to_string(r)).look(1000);
    return watched_;
  }

 private:
  std::vector<Activity> activities_;
  std::vector<Watched> watched_;
};

template <std::size_t n>
void put_text(std::array<char, n>& into, const std::string& text) {
  into = {};
  std::ranges::copy(text, into.begin());
}

std::vector<Watched> with_silence(std::vector<Watched> ranks, int r, double seconds) {
  ranks[std::size_t(r)].silent = seconds;
  return ranks;
}

TEST(Blame, RanksThatComputeForHoursAreNotBlamed) {
  Ranks ranks({5, 5, 5});
  EXPECT_FALSE(gone(ranks.now(), timeout));
  EXPECT_FALSE(awaited(ranks.now(), patience));
  ranks.waits(0, 5, 9);
  ranks.waits(1, 5, 1);
  EXPECT_FALSE(awaited(ranks.now(), patience)) << "nobody has waited for longer than the timeout";
}

TEST(Blame, TheMemberWithTheLowestSequenceNumberIsNamed) {
  Ranks ranks({17, 16, 15, 17});
  for (int r : {0, 3}) ranks.waits(r, 17, 11);
  ranks.waits(2, 15, 12), ranks.computes(2);
  const auto v = awaited(ranks.now(), patience);
  ASSERT_TRUE(v);
  EXPECT_EQ(v->rank, 2);
  EXPECT_EQ(v->sentence,
            "rank 2 on h2 has not come to all_reduce 17 of cp, where rank 0 on h0 has waited for 11.0 s; it was last "
            "seen computing after all_reduce 15 of cp; parallel.timeout=10");
}

TEST(Blame, WhoWaitsAlongAnotherLineIsNotToBlameButWhoItWaitsFor) {
  Ranks ranks({8, 7, 8});
  const int line = ranks.activity(1).line_of("dp", {1, 2});
  ranks.activity(2).line_of("dp", {1, 2});
  ranks.activity(1).lines[std::size_t(line)].begun = 4;
  ranks.activity(2).lines[std::size_t(line)].begun = 3;
  ranks.waits(0, 8, 12);
  ranks.waits(1, 4, 11, line, Op::all_gather);
  const auto v = awaited(ranks.now(), patience);
  ASSERT_TRUE(v);
  EXPECT_EQ(v->rank, 2);
  EXPECT_NE(v->sentence.find("rank 2 on h2 has not come to all_gather 4 of dp, where rank 1 on h1"), std::string::npos)
      << v->sentence;
  ranks.waits(1, 4, 0.5, line, Op::all_gather);  // it gets on, so it is late by itself
  EXPECT_EQ(awaited(ranks.now(), patience)->rank, 1);
}

TEST(Blame, WhoHasLeftOrHasBegunWithoutFinishingIsNamed) {
  Ranks ranks({3, 2, 3});
  ranks.waits(0, 3, 11), ranks.waits(2, 3, 11);
  ranks.watched(1).state = State::left;
  EXPECT_NE(awaited(ranks.now(), patience)->sentence.find("rank 1 on h1 has not come to all_reduce 3 of cp"),
            std::string::npos);
  EXPECT_NE(awaited(ranks.now(), patience)->sentence.find("it has left"), std::string::npos);
  Ranks begun({3, 3, 3});
  begun.waits(0, 3, 11), begun.waits(2, 3, 11);
  EXPECT_EQ(
      awaited(begun.now(), patience)->sentence,
      "rank 1 on h1 does not finish all_reduce 3 of cp, where rank 0 on h0 has waited for 11.0 s; it was last seen "
      "before its first collective; parallel.timeout=10");
}

TEST(Blame, ACollectiveToWhichAllHaveComeIsNamedWithItsRank) {
  Ranks ranks({3, 3});
  ranks.waits(0, 3, 11), ranks.waits(1, 3, 12);
  const auto v = awaited(ranks.now(), patience);
  ASSERT_TRUE(v);
  EXPECT_EQ(v->sentence,
            "rank 1 on h1 has waited for 12.0 s in all_reduce 3 of cp, to which all its ranks have come; "
            "parallel.timeout=10");
}

TEST(Blame, AMessageThatDoesNotComeNamesAMemberThatDoesNotWait) {
  Ranks ranks({0, 0, 0});
  ranks.waits(0, 0, 11, 0, Op::exchange), ranks.waits(2, 0, 3, 0, Op::exchange);
  ranks.activity(0).blocked.exchange = 17;
  const auto v = awaited(ranks.now(), patience);
  ASSERT_TRUE(v);
  EXPECT_EQ(v->rank, 1);
  EXPECT_NE(v->sentence.find("exchange 17 of cp"), std::string::npos) << v->sentence;
}

TEST(Blame, ALostRankComesBeforeASilentOneAndTheLowestSequenceFirst) {
  Ranks ranks({9, 8, 7, 9});
  for (int r : {1, 2}) ranks.waits(r, 7, 1), ranks.computes(r);
  ranks.watched(3).silent = 5.5;
  EXPECT_EQ(gone(ranks.now(), timeout)->rank, 3);
  EXPECT_NE(gone(ranks.now(), timeout)->sentence.find("unheard for 5.5 s"), std::string::npos);
  ranks.watched(1).state = ranks.watched(2).state = State::lost;
  ranks.waits(0, 9, 1);
  EXPECT_EQ(gone(ranks.now(), timeout)->sentence, "rank 2 on h2 died; rank 0 on h0 waits for it in all_reduce 9 of cp");
  ranks.computes(0);
  EXPECT_EQ(gone(ranks.now(), timeout)->sentence,
            "rank 2 on h2 died; it was last seen computing after all_reduce 7 of cp");
  for (int r : {1, 2, 3}) ranks.watched(r).state = State::left;
  EXPECT_FALSE(gone(ranks.now(), timeout)) << "ranks that have finished are silent for good";
}

TEST(Blame, WhileARankIsAtAFileNobodysWaitCounts) {
  Ranks ranks({3, 2, 3});
  ranks.waits(0, 3, 60), ranks.waits(2, 3, 60);
  std::vector<Watched> now = ranks.now();
  put_text(now[1].last.files, "writing a/step_4.h5");
  now[1].last.at_files = 50, now[1].last.since_files = 0;
  EXPECT_FALSE(awaited(now, patience));
  EXPECT_EQ(
      excused(now, patience)->sentence,
      "rank 1 on h1 has been writing a/step_4.h5 for 50.0 s, and rank 0 on h0 waits for it in all_reduce 3 of cp; "
      "parallel.io_timeout=100 ends the job");
  EXPECT_NE(gone(with_silence(now, 1, 6), timeout)->sentence.find("rank 1 on h1 has stopped"), std::string::npos)
      << "a rank that is stopped or killed at a file is not excused";

  now[1].last.at_files = 101;
  EXPECT_FALSE(excused(now, patience));
  EXPECT_EQ(awaited(now, patience)->sentence,
            "rank 1 on h1 has been writing a/step_4.h5 for 101.0 s, longer than parallel.io_timeout=100; rank 0 on h0 "
            "waits for it in all_reduce 3 of cp");
  EXPECT_FALSE(awaited(now, {.timeout = timeout, .io_timeout = 0})) << "0 waits for ever";

  now[1].last.files = {}, now[1].last.at_files = 0, now[1].last.since_files = 9;
  EXPECT_FALSE(awaited(now, patience)) << "it has the timeout to come when it is done with the file";
  now[1].last.since_files = 11;
  EXPECT_EQ(awaited(now, patience)->rank, 1);
}

TEST(Blame, WhoWaitsForARankThatWaitsForAFileWaitsForTheFile) {
  Ranks ranks({8, 7, 7});
  const int line = ranks.activity(1).line_of("dp", {1, 2});
  ranks.activity(2).line_of("dp", {1, 2});
  ranks.activity(1).lines[std::size_t(line)].begun = 4;
  ranks.activity(2).lines[std::size_t(line)].begun = 3;
  ranks.waits(0, 8, 40);
  ranks.waits(1, 4, 30, line, Op::all_gather);
  std::vector<Watched> now = ranks.now();
  put_text(now[2].last.files, "reading pictures of /data");
  now[2].last.at_files = 30, now[2].last.since_files = 0;
  EXPECT_FALSE(awaited(now, patience));
  EXPECT_EQ(excused(now, patience)->rank, 2);
}

TEST(Blame, ALongPathKeepsItsEnd) {
  const Activity activity;
  const std::string path = "/shared" + std::string(300, 'x') + "/checkpoints/step_00000004.h5";
  Observer observer(activity, "h", [&] { return FileWork::Seen{"writing " + path, 990, -1}; });
  const Sighting s = observer.look(1000);
  const std::string shown = s.files.data();
  EXPECT_TRUE(shown.starts_with("writing /shared")) << shown;
  EXPECT_TRUE(shown.ends_with("xx/checkpoints/step_00000004.h5")) << shown;
  EXPECT_EQ(s.at_files, 10);
  EXPECT_EQ(s.since_files, 0);
}

}  // namespace
}  // namespace lact
