#include "files/config_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/check.hpp"
#include "support/temporary_folder.hpp"

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

// A typing error is one reason of many.
TEST(ConfigFile, TheSystemSaysWhyAFileIsNotRead) {
  const TemporaryFolder folder;
  OneKey c;
  const std::string file = folder.write("a.yaml", "key: 3\n");
  for (const auto& [path, why] : {std::pair(folder / "none.yaml", "No such file or directory"),
                                  {file + "/b.yaml", "Not a directory"},
                                  {folder / std::string(300, 'x'), "File name too long"}})
    EXPECT_EQ(sentence_of([&] { read_config_file(Fields::of(c), path); }), path + ": cannot be read (" + why + ")");
  folder.write("large.yaml", std::string((4 << 20) + 1, '#'));
  EXPECT_EQ(sentence_of([&] { read_config_file(Fields::of(c), folder / "large.yaml"); }),
            folder / "large.yaml: larger than 4194304 bytes");
  EXPECT_TRUE(read_config_file(Fields::of(c), file));
  EXPECT_EQ(c.key, 3);
}

}  // namespace
}  // namespace lact
