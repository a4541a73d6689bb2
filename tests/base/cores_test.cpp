// The cores that this process may use, and what control groups grant of them.
#include "base/cores.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(Cores, AreThoseThatTheProcessWasStartedOn) {
  cpu_set_t now;
  ASSERT_EQ(::sched_getaffinity(0, sizeof now, &now), 0);
  EXPECT_EQ(int(usable_threads().size()), CPU_COUNT(&now));
  EXPECT_TRUE(std::ranges::is_sorted(usable_threads()));
  for (int t : usable_threads()) EXPECT_TRUE(CPU_ISSET(t, &now));

  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(usable_threads().front(), &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  let_run_everywhere();
  ASSERT_EQ(::sched_getaffinity(0, sizeof one, &one), 0);
  EXPECT_TRUE(CPU_EQUAL(&one, &now));
}

class Groups : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    const std::filesystem::path path = folder_ / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  double granted(const std::string& group) { return granted_by(folder_.path(), group); }
  TemporaryFolder folder_;
};

TEST_F(Groups, WithoutALimitGrantEverything) {
  EXPECT_EQ(granted("/"), 0);
  EXPECT_EQ(granted("/none/such"), 0);
  write("a/cpu.max", "max 100000\n");
  write("v1/cpu.cfs_quota_us", "-1\n");
  write("v1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(granted("/a"), 0);
  EXPECT_EQ(granted("/v1"), 0);
}

TEST_F(Groups, GrantNoMoreThanTheTightestOnTheWayToTheRoot) {
  write("a/cpu.max", "400000 100000\n");
  write("a/b/cpu.max", "max 100000\n");
  write("a/c/cpu.max", "150000 100000\n");
  EXPECT_EQ(granted("/a/b"), 4);
  EXPECT_EQ(granted("/a/c/d"), 1.5);
  write("cpu.max", "50000 100000\n");  // as a container sees its own
  EXPECT_EQ(granted("/a/c"), 0.5);
  EXPECT_EQ(granted("/"), 0.5);
  write("v1/job/cpu.cfs_quota_us", "20000\n");
  write("v1/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(granted("/v1/job"), 0.2);
}

TEST_F(Groups, DamagedFilesAreNoLimit) {
  write("a/cpu.max", "soon");
  write("b/cpu.max", "100000 0");
  write("c/cpu.max", "100000");
  for (const char* group : {"/a", "/b", "/c", "/../..", ""}) EXPECT_EQ(granted(group), 0) << group;
}

}  // namespace
}  // namespace lact
