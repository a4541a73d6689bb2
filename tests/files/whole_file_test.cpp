#include "files/whole_file.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/temporary_folder.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

// The system refuses to let any file grow beyond `bytes`: the same path through the program as a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    before_ = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_);
    rlimit now = old_;
    now.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    signal(SIGXFSZ, before_);
  }

 private:
  rlimit old_{};
  void (*before_)(int);
};

TEST(WholeFile, WhatIsWrittenIsRead) {
  TemporaryFolder folder;
  std::string path = folder / "a", bytes("x\0y\n", 4);
  for (const std::string& b : {bytes, std::string(), std::string(200001, 'z')}) {
    write_whole(path, b);
    EXPECT_EQ(read_text(path, 1 << 20), b);
  }
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST(WholeFile, ReadingHasALimit) {
  TemporaryFolder folder;
  std::string path = folder.write("a", "12345");
  EXPECT_EQ(read_text(path, 5), "12345");
  EXPECT_EQ(sentence_of([&] { read_text(path, 4); }), path + ": larger than 4 bytes");
}

TEST(WholeFile, OnlyFilesAreReadAndReplaced) {
  TemporaryFolder folder;
  std::string pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(sentence_of([&] { read_text(pipe, 1); }), pipe + ": is not a file");  // and does not wait for a writer
  EXPECT_EQ(sentence_of([] { write_whole("/dev/null", "x"); }), "/dev/null: cannot be replaced: it is not a file");
  EXPECT_EQ(sentence_of([&] { write_whole(folder.path(), "x"); }),
            folder.path() + ": cannot be replaced: it is not a file");
}

TEST(FolderLock, AFolderHasOneHolder) {
  TemporaryFolder folder;
  {
    FolderLock first(folder.path());
    EXPECT_EQ(sentence_of([&] { FolderLock second(folder.path()); }),
              folder.path() + ": another process is at work in this folder");
  }
  FolderLock again(folder.path());
}

TEST(WholeFile, AMissingFolderIsNamed) {
  TemporaryFolder folder;
  std::string path = folder / "no/a";
  EXPECT_EQ(sentence_of([&] { write_whole(path, "x"); }), path + ": cannot be written (No such file or directory)");
  EXPECT_EQ(sentence_of([&] { read_text(path, 1); }), path + ": cannot be read (No such file or directory)");
  std::string below_a_file = folder.write("file", "") + "/a";
  EXPECT_EQ(sentence_of([&] { write_whole(below_a_file, "x"); }),
            below_a_file + ": cannot be written (Not a directory)");
}

TEST(WholeFile, AFullDeviceIsOneSentence) {
  FileWriter out = FileWriter::at_end("/dev/full");
  EXPECT_EQ(sentence_of([&] { out.write("x"); }), "/dev/full: cannot be written (No space left on device)");
}

TEST(WholeFile, AFailedReplacementLeavesTheOldFile) {
  TemporaryFolder folder;
  std::string path = folder.write("a", "old");
  {
    FileSizeLimit limit(1000);
    EXPECT_EQ(sentence_of([&] { write_whole(path, std::string(5000, 'n')); }),
              path + ": cannot be written (File too large)");
  }
  EXPECT_EQ(folder.read("a"), "old");
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST(WholeFile, NothingChangesWithoutCommit) {
  TemporaryFolder folder;
  std::string path = folder.write("a", "old");
  {
    Replacement r(path);
    FileWriter out(r.temporary(), path);
    out.write("new");
    out.close();
    EXPECT_EQ(folder.read("a"), "old");
  }
  EXPECT_EQ(folder.read("a"), "old");
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST(WholeFile, LeftoversOfAKilledProcessAreReplaced) {
  TemporaryFolder folder;
  folder.write("a.partial", "what a killed process left");
  write_whole(folder / "a", "new");
  EXPECT_EQ(folder.read("a"), "new");
  std::string elsewhere = folder.write("elsewhere", "untouched");
  std::filesystem::create_symlink(elsewhere, folder / "a.partial");
  write_whole(folder / "a", "newer");
  EXPECT_EQ(folder.read("elsewhere"), "untouched");  // a link in the place of the temporary is not followed
}

TEST(WholeFile, ALinkThatSomebodyPutThereMeanwhileIsNotFollowed) {
  TemporaryFolder folder;
  const std::string victim = folder.write("victim", "precious");
  for (const bool there : {true, false}) {
    Replacement r(folder / "a");
    fs::create_symlink(there ? victim : folder / "none", r.temporary());
    EXPECT_TRUE(sentence_of([&] { FileWriter(r.temporary(), folder / "a").write("x"); }).starts_with(folder / "a"));
    EXPECT_TRUE(
        sentence_of([&] { PlaceWriter(r.temporary(), folder / "a").write("x", 1, 0); }).starts_with(folder / "a"));
  }
  EXPECT_EQ(folder.read("victim"), "precious");
  EXPECT_FALSE(fs::exists(folder / "none"));
  fs::create_symlink(victim, folder / "a.partial");  // before: it goes, and its target stays
  write_whole(folder / "a", "new");
  EXPECT_EQ(folder.read("victim"), "precious");
  EXPECT_EQ(folder.read("a"), "new");
}

TEST(WholeFile, CommitWithoutAFileIsAnError) {
  TemporaryFolder folder;
  std::string path = folder.write("a", "old");
  Replacement r(path);
  EXPECT_EQ(sentence_of([&] { r.commit(); }), path + ": cannot be made durable (No such file or directory)");
  EXPECT_EQ(folder.read("a"), "old");
}

}  // namespace
}  // namespace lact
