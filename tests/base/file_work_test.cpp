// What a rank is at with a file, as others see it.
#include <gtest/gtest.h>
#include <thread>

#include "base/clock.hpp"
#include "base/file_work.hpp"

namespace lact {
namespace {

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

}  // namespace
}  // namespace lact
