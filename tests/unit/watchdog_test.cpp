// Who is named when ranks stand still, where ranks meet, and a watchdog of several ranks inside one process.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/check.hpp"
#include "parallel/socket.hpp"
#include "parallel/watchdog.hpp"
#include "support/waiting.hpp"

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

TEST(Verdict, RanksThatComputeForHoursAreNotBlamed) {
  Ranks ranks({5, 5, 5});
  EXPECT_FALSE(gone(ranks.now(), timeout));
  EXPECT_FALSE(awaited(ranks.now(), patience));
  ranks.waits(0, 5, 9);
  ranks.waits(1, 5, 1);
  EXPECT_FALSE(awaited(ranks.now(), patience)) << "nobody has waited for longer than the timeout";
}

TEST(Verdict, TheMemberWithTheLowestSequenceNumberIsNamed) {
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

TEST(Verdict, WhoWaitsAlongAnotherLineIsNotToBlameButWhoItWaitsFor) {
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

TEST(Verdict, WhoHasLeftOrHasBegunWithoutFinishingIsNamed) {
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

TEST(Verdict, ACollectiveToWhichAllHaveComeIsNamedWithItsRank) {
  Ranks ranks({3, 3});
  ranks.waits(0, 3, 11), ranks.waits(1, 3, 12);
  const auto v = awaited(ranks.now(), patience);
  ASSERT_TRUE(v);
  EXPECT_EQ(v->sentence,
            "rank 1 on h1 has waited for 12.0 s in all_reduce 3 of cp, to which all its ranks have come; "
            "parallel.timeout=10");
}

TEST(Verdict, AMessageThatDoesNotComeNamesAMemberThatDoesNotWait) {
  Ranks ranks({0, 0, 0});
  ranks.waits(0, 0, 11, 0, Op::exchange), ranks.waits(2, 0, 3, 0, Op::exchange);
  ranks.activity(0).blocked.exchange = 17;
  const auto v = awaited(ranks.now(), patience);
  ASSERT_TRUE(v);
  EXPECT_EQ(v->rank, 1);
  EXPECT_NE(v->sentence.find("exchange 17 of cp"), std::string::npos) << v->sentence;
}

TEST(Verdict, ALostRankComesBeforeASilentOneAndTheLowestSequenceFirst) {
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

TEST(Verdict, WhileARankIsAtAFileNobodysWaitCounts) {
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

TEST(Verdict, WhoWaitsForARankThatWaitsForAFileWaitsForTheFile) {
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

TEST(Verdict, ALongPathKeepsItsEnd) {
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

TEST(FileWork, TellsWhatBeganFirstAndWhenTheLastOneEnded) {
  EXPECT_EQ(FileWork::seen().what, "");
  {
    const FileWork outer("reading the scenes of", "/data");
    const FileWork inner("reading", "/data/a.png");
    EXPECT_EQ(FileWork::seen().what, "reading the scenes of /data");
    std::jthread([] {
      FileWork::leave_out_this_thread();
      const FileWork ahead("reading", "/data/b.png");
      EXPECT_EQ(FileWork::seen().what, "reading the scenes of /data");
    });
  }
  EXPECT_EQ(FileWork::seen().what, "");
  EXPECT_NEAR(FileWork::seen().ended, steady_seconds(), 1);
}

TEST(Launch, RanksMeetWhereTheirLauncherSays) {
  std::map<std::string, std::string> words;
  const Environment env = [&](const char* name) {
    const auto found = words.find(name);
    return found == words.end() ? nullptr : found->second.c_str();
  };
  EXPECT_EQ(launch_of(env).ranks, 1);
  EXPECT_TRUE(launch_of(env).meeting.empty());
  EXPECT_FALSE(started_as_a_rank(env));

  words = {{"OMPI_COMM_WORLD_RANK", "2"},
           {"OMPI_COMM_WORLD_SIZE", "4"},
           {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
           {"PMIX_NAMESPACE", "77"},
           {"OMPI_MCA_orte_hnp_uri", "76.0;tcp://10.0.0.1,192.168.1.1:59343;tcp6://[fd00::2]:47515"}};
  EXPECT_TRUE(started_as_a_rank(env));
  Launch l = launch_of(env);
  EXPECT_EQ(l.rank, 2);
  EXPECT_EQ(l.ranks, 4);
  EXPECT_EQ(l.job, "77");
  EXPECT_EQ(l.meeting, std::vector<std::string>{"127.0.0.1"});
  words["OMPI_COMM_WORLD_LOCAL_SIZE"] = "2";
  EXPECT_EQ(launch_of(env).meeting, (std::vector<std::string>{"10.0.0.1", "192.168.1.1"}));
  words["LACT_STATUS_ADDRESS"] = "head";
  EXPECT_EQ(launch_of(env).meeting, (std::vector<std::string>{"head", "10.0.0.1", "192.168.1.1"}));
  words.erase("OMPI_MCA_orte_hnp_uri");  // OpenMPI 5
  words["PMIX_NAMESPACE"] = "prterun-node-07-4711@1";
  EXPECT_EQ(launch_of(env).meeting, (std::vector<std::string>{"head", "node-07"}));
  words.erase("LACT_STATUS_ADDRESS");
  for (const auto& job : {"77", "", "prterun", "prterun-1@1", "other-node-07-1@1"}) {
    words["PMIX_NAMESPACE"] = job;
    EXPECT_TRUE(launch_of(env).meeting.empty()) << job;
  }

  words = {{"PMIX_RANK", "5"}, {"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_STEP_NUM_NODES", "4"}};
  for (const auto& [list, first] : std::map<std::string, std::string>{
           {"a", "a"}, {"node[007-012,20],other", "node007"}, {"node[3,5]", "node3"}, {"x,y[1-2]", "x"}}) {
    words["SLURM_STEP_NODELIST"] = list;
    EXPECT_EQ(launch_of(env).meeting, std::vector<std::string>{first}) << list;
  }
  EXPECT_EQ(launch_of(env).rank, 5);
  words["SLURM_STEP_NUM_NODES"] = "1";
  EXPECT_EQ(launch_of(env).meeting, std::vector<std::string>{"127.0.0.1"});
  words = {{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}};
  EXPECT_THROW(started_as_a_rank(env), Error);
}

// Several ranks of one process: each has an activity, and what its watchdog says at the end.
class Star : public testing::Test {
 protected:
  static constexpr int ranks = 3;
  void SetUp() override {
    for (int r = 0; r < ranks; ++r) {
      activities_[std::size_t(r)].line_of("cp", {0, 1, 2});
      start(r);
    }
  }
  void start(int r) {
    const Launch launch{r, ranks, job_, {"127.0.0.1"}};
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
    dog = std::make_unique<Watchdog>(launch, activities_[std::size_t(r)], Patience{2, 4},
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

  const std::string job_ = "star" + std::to_string(::getpid());
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
    pause_for(3);  // longer than the timeout of 2 seconds
    EXPECT_TRUE(ended().empty());
    ASSERT_EQ(remarked().size(), 1u);
    EXPECT_NE(remarked()[0].find("has been writing runs/a/checkpoints/step_00000004.h5 for "), std::string::npos)
        << remarked()[0];
    EXPECT_NE(remarked()[0].find("parallel.io_timeout=4 ends the job"), std::string::npos) << remarked()[0];
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
  EXPECT_TRUE(comes_true([&] { return ended() == std::set{0, 1, 2}; }, 12));
  ASSERT_EQ(said().size(), 1u);
  EXPECT_TRUE(said()[0].starts_with("rank 1 on ")) << said()[0];
  EXPECT_NE(said()[0].find("longer than parallel.io_timeout=4; rank "), std::string::npos) << said()[0];
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

TEST_F(Star, StrangersAreCutOffAndHarmNobody) {
  pause_for(0.6);
  int met = 0;
  for (int attempt = 0; attempt < Watchdog::ports_tried; ++attempt) {
    Socket s = Socket::connect("127.0.0.1", Watchdog::port(job_, attempt), 1);
    if (!s.open()) continue;
    ++met;
    s.send(std::vector<std::byte>(10000, std::byte(7)), 1);
  }
  EXPECT_GE(met, 1);
  pause_for(0.5);
  EXPECT_TRUE(ended().empty());
}

}  // namespace
}  // namespace lact
