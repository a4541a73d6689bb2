#include "files/hdf5.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "files/whole_file.hpp"
#include "support/counted.hpp"
#include "support/hdf5_leaks.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

class Hdf5 : public testing::Test {
 protected:
  std::unique_ptr<Device> device = Device::open(Backend::cpu);
  TemporaryFolder folder;

  Tensor counted(const Shape& s, DType t) { return lact::counted(*device, s, t); }
  void expect_same(const Tensor& a, const Tensor& b, const std::string& name) {
    EXPECT_EQ(a.shape(), b.shape()) << name;
    EXPECT_EQ(a.dtype(), b.dtype()) << name;
    EXPECT_EQ(a.to_doubles(), b.to_doubles()) << name;
  }
  std::string good() {  // the bytes of a small file with every feature
    {
      Hdf5File f = Hdf5File::create(folder / "good");
      f.put("blocks.0/w", counted({3, 5}, DType::f32));
      f.put("blocks.0/b", counted({5}, DType::bf16));
      f.set_attribute("step", 3);
      f.set_attribute("config", "steps: 3");
      f.close();
    }
    return folder.read("good");
  }
  void read_everything(const std::string& path) {
    Hdf5File f = Hdf5File::open(path);
    f.integer("step");
    f.text("config");
    for (const std::string& name : f.names()) f.get(name, *device);
  }
};

TEST_F(Hdf5, WhatIsPutIsGot) {
  std::vector<std::pair<std::string, Tensor>> all = {
      {"blocks.3.module_list.1.f.w0", counted({3, 5}, DType::f32)},
      {"a/b.c/d", counted({2, 1, 3}, DType::f64)},
      {"a/b.c/e", counted({7}, DType::bf16)},
      {"a/i", counted({1, 3}, DType::i32)},
      {"u8", counted({5}, DType::u8)},
      {"scalar", counted({}, DType::f32)},
      {"empty", counted({0, 4}, DType::bf16)},
      {"view", counted({3, 4, 5}, DType::f32).transpose().cut(0, {1, 3})}};
  std::string path = folder / "x.h5";
  Hdf5File out = Hdf5File::create(path);
  for (const auto& [name, t] : all) out.put(name, t);
  out.close();
  Hdf5File f = Hdf5File::open(path);
  EXPECT_EQ(f.names(), (std::vector<std::string>{"a/b.c/d", "a/b.c/e", "a/i", "blocks.3.module_list.1.f.w0", "empty",
                                                 "scalar", "u8", "view"}));
  for (const auto& [name, t] : all) {
    expect_same(f.get(name, *device), t, name);
    EXPECT_EQ(f.info(name).shape, t.shape());
    EXPECT_EQ(f.info(name).dtype, t.dtype());
    EXPECT_EQ(f.info(name).bytes, t.count() * size_of(t.dtype()));
    EXPECT_TRUE(f.has(name));
  }
  EXPECT_FALSE(f.has("a"));
  EXPECT_FALSE(f.has("a/b.c/x"));
  EXPECT_FALSE(f.has("no/such/group"));
}

TEST_F(Hdf5, EveryBitComesBack) {
  std::vector<float> odd = {-0.0f, HUGE_VALF, std::numeric_limits<float>::denorm_min(), 0.1f};
  Tensor f32 = Tensor::of(*device, {4}, odd), bf16 = counted({65536}, DType::bf16);
  for (int i = 0; i < 65536; ++i) bf16.data<std::uint16_t>()[i] = std::uint16_t(i);
  Hdf5File f = Hdf5File::create(folder / "x");
  f.put("f32", f32);
  f.put("bf16", bf16);
  f.close();
  f = Hdf5File::open(folder / "x");
  EXPECT_EQ(std::memcmp(f.get("f32", *device).raw(), f32.raw(), 16), 0);
  EXPECT_EQ(std::memcmp(f.get("bf16", *device).raw(), bf16.raw(), 2 * 65536), 0);
}

TEST_F(Hdf5, AttributesOfTheFileAndOfADataset) {
  Hdf5File f = Hdf5File::create(folder / "x");
  f.put("a/w", counted({2}, DType::f32));
  std::string config(100000, 'c');  // more than an old-style attribute holds
  for (const std::string& owner : {std::string(), std::string("a/w")}) {
    f.set_attribute("step", 1, owner);
    f.set_attribute("step", std::numeric_limits<std::int64_t>::min(), owner);  // replaces
    f.set_attribute("rate", 0.1, owner);
    f.set_attribute("config", config, owner);
    f.set_attribute("nothing", "", owner);
    f.set_attribute("words", "\xc3\xa9 \"x\"\n", owner);
  }
  f.close();
  f = Hdf5File::open(folder / "x");
  for (const std::string& owner : {std::string(), std::string("a/w")}) {
    EXPECT_EQ(f.integer("step", owner), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(f.number("rate", owner), 0.1);
    EXPECT_EQ(f.text("config", owner), config);
    EXPECT_EQ(f.text("nothing", owner), "");
    EXPECT_EQ(f.text("words", owner), "\xc3\xa9 \"x\"\n");
    EXPECT_TRUE(f.has_attribute("rate", owner));
    EXPECT_FALSE(f.has_attribute("none", owner));
  }
  EXPECT_EQ(sentence_of([&] { f.integer("none"); }), folder / "x" + ": attribute 'none' is missing");
  EXPECT_EQ(sentence_of([&] { f.text("rate", "a/w"); }),
            folder / "x" + ": dataset 'a/w': attribute 'rate' is not text of a fixed length");
  EXPECT_EQ(sentence_of([&] { f.integer("rate"); }), folder / "x" + ": attribute 'rate' is not an integer");
  EXPECT_EQ(sentence_of([&] { f.number("step"); }), folder / "x" + ": attribute 'step' is not a number");
  EXPECT_EQ(sentence_of([&] { f.number("rate", "b"); }), folder / "x" + ": there is no dataset 'b'");
}

TEST_F(Hdf5, SlabsTogetherAreTheWhole) {
  Tensor whole = counted({5, 7}, DType::bf16);
  Hdf5File f = Hdf5File::create(folder / "x");
  f.create_dataset("w", {5, 7}, DType::bf16);
  for (Range rows : {Range{3, 5}, Range{0, 3}})
    for (Range columns : {Range{0, 1}, Range{1, 7}, Range{7, 7}})  // the last is empty and changes nothing
      f.write_slab("w", {rows.begin, columns.begin}, whole.cut(0, rows).cut(1, columns));
  f.close();
  f = Hdf5File::open(folder / "x");
  expect_same(f.get("w", *device), whole, "w");
  expect_same(f.read_slab("w", {1, 2}, {3, 4}, *device), whole.cut(0, {1, 4}).cut(1, {2, 6}), "inner");
  EXPECT_EQ(f.read_slab("w", {5, 0}, {0, 7}, *device).shape(), (Shape{0, 7}));
}

TEST_F(Hdf5, WhatWasNeverWrittenIsZero) {
  Hdf5File f = Hdf5File::create(folder / "x");
  f.create_dataset("w", {3}, DType::f32);
  f.write_slab("w", {1}, Tensor::of(*device, {1}, std::vector<float>{9}));
  f.close();
  EXPECT_EQ(Hdf5File::open(folder / "x").get("w", *device).to_doubles(), (std::vector<double>{0, 9, 0}));
}

TEST_F(Hdf5, SlabsOutsideAreRefused) {
  Hdf5File f = Hdf5File::create(folder / "x");
  f.create_dataset("w", {3, 4}, DType::f32);
  std::string head = folder / "x" + ": dataset 'w'";
  EXPECT_EQ(sentence_of([&] {
              f.write_slab("w", {2, 0}, counted({2, 4}, DType::f32));
            }),
            head + " of shape [3, 4] has no slab of [2, 4] at [2, 0]");
  EXPECT_EQ(sentence_of([&] {
              f.write_slab("w", {0, 0}, counted({3, 4}, DType::f64));
            }),
            head + " is f32 and takes no f64");
  constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  for (const auto& [start, count] : std::vector<std::pair<Shape, Shape>>{{{-1, 0}, {1, 1}},
                                                                         {{0, 0}, {-1, 1}},
                                                                         {{0}, {1}},
                                                                         {{0, 0, 0}, {1, 1, 1}},
                                                                         {{huge, 0}, {huge, 1}},
                                                                         {{0, 5}, {0, 0}}})
    EXPECT_NE(sentence_of([&] { f.read_slab("w", start, count, *device); }), "no error") << text_of(start);
}

TEST_F(Hdf5, WrongNamesAreRefused) {
  Hdf5File f = Hdf5File::create(folder / "x");
  Tensor t = counted({2}, DType::f32);
  f.put("a", t);
  f.put("g/w", t);
  for (std::string name : {"", "/a", "b/", "b//c", ".", "b/./c"})
    EXPECT_EQ(sentence_of([&] { f.put(name, t); }), folder / "x" + ": '" + name + "' cannot be the name of a dataset");
  EXPECT_NE(sentence_of([&] { f.put(std::string("b\0c", 3), t); }), "no error");
  EXPECT_EQ(sentence_of([&] { f.put("a", t); }), folder / "x" + ": dataset 'a' is there already");
  EXPECT_TRUE(sentence_of([&] { f.put("a/b", t); }).starts_with(folder / "x" + ": dataset 'a/b': cannot be created ("));
  EXPECT_TRUE(sentence_of([&] { f.put("g", t); }).starts_with(folder / "x" + ": dataset 'g': cannot be created ("));
  EXPECT_EQ(sentence_of([&] { f.get("b", *device); }), folder / "x" + ": there is no dataset 'b'");
  EXPECT_EQ(sentence_of([&] { f.get("g", *device); }), folder / "x" + ": there is no dataset 'g'");
}

TEST_F(Hdf5, AClosedFileSaysSo) {
  Hdf5File f = Hdf5File::create(folder / "x");
  f.close();
  EXPECT_EQ(sentence_of([&] { f.names(); }), folder / "x" + ": is closed");
  EXPECT_EQ(sentence_of([&] { f.close(); }), folder / "x" + ": is closed");
}

TEST_F(Hdf5, FilesOpenedToReadAreNotWritten) {
  good();
  Hdf5File f = Hdf5File::open(folder / "good");
  EXPECT_TRUE(sentence_of([&] {
                f.put("new", counted({2}, DType::f32));
              }).starts_with(folder / "good" + ": dataset 'new': cannot be created ("));
  f.close();
}

TEST_F(Hdf5, FilesThatAreNotHdf5AreRefused) {
  EXPECT_EQ(sentence_of([&] { Hdf5File::open(folder / "none"); }),
            folder / "none" + ": cannot be read (No such file or directory)");
  EXPECT_EQ(sentence_of([&] { Hdf5File::open(folder.path()); }), folder.path() + ": is not a file");
  for (const std::string& bytes : {std::string(), std::string("text"), std::string(5000, '\0')}) {
    std::string path = folder.write("x", bytes);
    EXPECT_EQ(sentence_of([&] { Hdf5File::open(path); }), path + ": is not an HDF5 file");
  }
  EXPECT_EQ(sentence_of([&] { Hdf5File::create(folder / "no/x"); }),
            folder / "no/x" + ": cannot be written (No such file or directory)");
}

TEST_F(Hdf5, TruncatedFilesAreRefused) {
  std::string whole = good();
  read_everything(folder / "good");
  testing::internal::CaptureStderr();
  for (std::size_t n = 0; n < whole.size(); n += n + 100 < whole.size() ? 13 : 1) {
    std::string path = folder.write("cut", whole.substr(0, n));
    std::string said = sentence_of([&] { read_everything(path); });
    EXPECT_TRUE(said.starts_with(path)) << n << " bytes: " << said;
    EXPECT_EQ(said.find('\n'), said.npos);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");  // the library itself stays silent
}

TEST_F(Hdf5, DamageIsReadOrRefusedButNeverCrashes) {
  std::string whole = good();
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    std::string bad = whole;
    bad[at] = char(bad[at] ^ (1 << at % 8));
    std::string path = folder.write("bad", bad);
    sentence_of([&] { read_everything(path); });
  }
}

// Opening the pipes that these files name would wait for ever.
TEST_F(Hdf5, WhatPointsOutOfTheFileIsNotFollowed) {
  for (const char* pipe : {"elsewhere.h5", "elsewhere.bin"}) ASSERT_EQ(mkfifo((folder / pipe).c_str(), 0600), 0);
  const std::string of_others = "its numbers stand in other files, which are not followed";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"soft_link", "'second' is a link (soft), and links are not followed"},
      {"external_link", "'second' is a link (external), and links are not followed"},
      {"user_link", "'second' is a link (user-defined), and links are not followed"},
      {"loop", "'value/again' is another name of what has one already"},
      {"two_names", "'value/v' is another name of what has one already"},
      {"virtual", of_others},
      {"other_numbers", of_others},
      {"plugin", "it needs the filter 32000, and plugins are not loaded"}};
  for (const auto& [name, why] : cases) {
    std::filesystem::copy_file("tests/data/hdf5/" + name + ".h5", folder / name);
    const Hdf5File f = Hdf5File::open(folder / name);
    const std::string said = sentence_of([&] {
      for (const std::string& dataset : f.names()) f.get(dataset, *device);
    });
    EXPECT_TRUE(said.starts_with(folder / name)) << said;
    EXPECT_NE(said.find("is damaged: " + why), said.npos) << said;
    if (name.ends_with("_link")) {
      EXPECT_NE(sentence_of([&] { f.has("second/w"); }).find("links are not followed"), said.npos) << name;
    }
  }
}

TEST_F(Hdf5, AFullDiskIsOneSentenceAndTheOldFileStays) {
  std::string path = folder.write("x", "old");
  for (std::int64_t numbers : {10, 100000}) {  // held back until close, and written at once
    auto before = signal(SIGXFSZ, SIG_IGN);    // as on a full disk, write() fails half way
    rlimit old{}, small{};
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 100;
    setrlimit(RLIMIT_FSIZE, &small);
    std::string said = sentence_of([&] {
      Replacement r(path);
      Hdf5File f = Hdf5File::create(r.temporary());
      f.put("w", counted({numbers}, DType::f32));
      f.close();
      r.commit();
    });
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, before);
    EXPECT_TRUE(said.starts_with(path + ".partial: ")) << said;
    EXPECT_NE(said.find("cannot be"), said.npos) << said;
    EXPECT_NE(said.find("(File too large)"), said.npos) << said;
    EXPECT_EQ(folder.read("x"), "old");
    EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  }
  good();  // the library still works
}

}  // namespace
}  // namespace lact
