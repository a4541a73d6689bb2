#include "files/config_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/check.hpp"

namespace lact {
namespace {

struct OneKey {
  std::int64_t key = 0;
  void fields(Fields& f) { f("key", key, "a number"); }
};

TEST(ConfigFile, APipeIsNotWaitedFor) {
  const std::string path = testing::TempDir() + "/config_pipe";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  OneKey c;
  try {
    read_config_file(Fields::of(c), path);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.what(), path + ": is not a file");
  }
  unlink(path.c_str());
}

}  // namespace
}  // namespace lact
