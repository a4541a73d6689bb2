#include "files/safetensors.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "files/json.hpp"
#include "support/counted.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

std::string little_endian(std::uint64_t n) {
  auto raw = std::bit_cast<std::array<char, 8>>(n);
  return {raw.data(), raw.size()};
}
std::string with_header(const std::string& header, const std::string& data = "") {
  return little_endian(header.size()) + header + data;
}
template <class T>
std::string bytes(std::initializer_list<T> values) {
  std::string out(values.size() * sizeof(T), '\0');
  std::memcpy(out.data(), std::data(values), out.size());
  return out;
}
std::string tensor_entry(const std::string& name, const std::string& dtype, const std::string& shape,
                         const std::string& range) {
  return "\"" + name + "\": {\"dtype\": \"" + dtype + "\", \"shape\": " + shape + ", \"data_offsets\": " + range + "}";
}

class Safetensors : public testing::Test {
 protected:
  std::unique_ptr<Device> device = Device::open(Backend::cpu);
  TemporaryFolder folder;

  Tensor counted(const Shape& s, DType t) { return lact::counted(*device, s, t); }
  // The sentence without the path at its head.
  std::string refusal(const std::string& file) {
    std::string path = folder.write("x.safetensors", file);
    std::string said = sentence_of([&] { SafetensorsFile f(path); });
    if (said == "no error") return said;
    EXPECT_TRUE(said.starts_with(path)) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos);
    return said.substr(std::min(path.size(), said.size()));
  }
  std::string refused_entry(const std::string& dtype, const std::string& shape, const std::string& range,
                            const std::string& data = "") {
    return refusal(with_header("{" + tensor_entry("x", dtype, shape, range) + "}", data));
  }
  SafetensorsFile one(const std::string& dtype, const std::string& shape, const std::string& data) {
    std::string range = "[0, " + std::to_string(data.size()) + "]";
    return SafetensorsFile(
        folder.write("one.safetensors", with_header("{" + tensor_entry("x", dtype, shape, range) + "}", data)));
  }
};

TEST_F(Safetensors, WhatIsWrittenIsRead) {
  std::vector<std::pair<std::string, Tensor>> all = {{"blocks.0.w", counted({3, 5}, DType::f32)},
                                                     {"f64", counted({2, 1, 3}, DType::f64)},
                                                     {"bf16", counted({7}, DType::bf16)},
                                                     {"i32", counted({1, 3}, DType::i32)},
                                                     {"u8", counted({5}, DType::u8)},
                                                     {"scalar", counted({}, DType::f32)},
                                                     {"empty", counted({0, 4}, DType::f32)},
                                                     {"\"quoted\" \xc3\xa9/", counted({1}, DType::u8)}};
  std::map<std::string, std::string> metadata = {{"case", "a \"b\""}, {"hparams", "{\"dim\": 3}"}, {"empty", ""}};
  std::string path = folder / "x.safetensors";
  write_safetensors(path, all, metadata);
  SafetensorsFile f(path);
  EXPECT_EQ(f.metadata(), metadata);
  EXPECT_EQ(f.names().size(), all.size());
  for (const auto& [name, t] : all) {
    Tensor back = f.read(name, *device);
    EXPECT_EQ(back.shape(), t.shape()) << name;
    EXPECT_EQ(back.dtype(), t.dtype()) << name;
    EXPECT_EQ(back.to_doubles(), t.to_doubles()) << name;
    EXPECT_EQ((f.entry(name).bytes.begin) % size_of(t.dtype()), 0) << name << " is not aligned";
  }
  std::string raw = folder.read("x.safetensors");
  std::uint64_t header;
  std::memcpy(&header, raw.data(), 8);
  EXPECT_EQ(header % 8, 0u);
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST_F(Safetensors, NothingAtAllIsAFile) {
  write_safetensors(folder / "x", {});
  EXPECT_TRUE(SafetensorsFile(folder / "x").names().empty());
  EXPECT_EQ(refusal(with_header("{}")), "no error");
}

TEST_F(Safetensors, ViewsAreWrittenRowMajor) {
  Tensor t = counted({3, 4, 5}, DType::f32);
  std::vector<std::pair<std::string, Tensor>> all = {{"transposed", t.transpose()},
                                                     {"cut", t.cut(1, {1, 3})},
                                                     {"repeated", counted({2, 1}, DType::i32).expand({2, 3})},
                                                     {"nothing", t.cut(2, {2, 2}).transpose()}};
  write_safetensors(folder / "x", all);
  SafetensorsFile f(folder / "x");
  for (const auto& [name, view] : all) {
    EXPECT_EQ(f.read(name, *device).shape(), view.shape()) << name;
    EXPECT_EQ(f.read(name, *device).to_doubles(), view.to_doubles()) << name;
  }
}

TEST_F(Safetensors, NamesComeInTheOrderOfTheBytes) {
  SafetensorsFile f(folder.write(
      "x", with_header("{" + tensor_entry("b", "U8", "[1]", "[2, 3]") + "," + tensor_entry("c", "U8", "[0]", "[2, 2]") +
                           "," + tensor_entry("a", "U8", "[2]", "[0, 2]") + "}   ",
                       "abc")));
  EXPECT_EQ(f.names(), (std::vector<std::string>{"a", "c", "b"}));
  EXPECT_TRUE(f.has("a"));
  EXPECT_FALSE(f.has("__metadata__"));
  EXPECT_EQ(sentence_of([&] { f.read("d", *device); }), folder / "x" + ": there is no tensor 'd'");
}

TEST_F(Safetensors, EveryTypeBecomesTheNearest) {
  auto check_type = [&](const std::string& dtype, const std::string& data, DType type, std::vector<double> values) {
    Tensor t = one(dtype, "[" + std::to_string(values.size()) + "]", data).read("x", *device);
    EXPECT_EQ(t.dtype(), type) << dtype;
    EXPECT_EQ(t.to_doubles(), values) << dtype;
  };
  check_type("F64", bytes<double>({0.1, -2}), DType::f64, {0.1, -2});
  check_type("F32", bytes<float>({0.1f, -2}), DType::f32, {0.1f, -2});
  check_type("F16", bytes<std::uint16_t>({0x3c00, 0xc500, 0x0001, 0x03ff, 0x7bff, 0x8000, 0x0400}), DType::f32,
             {1, -5, 0x1p-24, 1023 * 0x1p-24, 65504, -0.0, 0x1p-14});
  check_type("BF16", bytes<std::uint16_t>({0x3f80, 0xc0a0}), DType::bf16, {1, -5});
  check_type("I64", bytes<std::int64_t>({2147483647, -2147483648}), DType::i32, {2147483647, -2147483648.0});
  check_type("I32", bytes<std::int32_t>({7, -7}), DType::i32, {7, -7});
  check_type("I16", bytes<std::int16_t>({-32768}), DType::i32, {-32768});
  check_type("I8", bytes<std::int8_t>({-128, 127}), DType::i32, {-128, 127});
  check_type("U64", bytes<std::uint64_t>({5}), DType::i32, {5});
  check_type("U32", bytes<std::uint32_t>({2147483647}), DType::i32, {2147483647});
  check_type("U16", bytes<std::uint16_t>({65535}), DType::i32, {65535});
  check_type("U8", bytes<std::uint8_t>({255}), DType::u8, {255});
  check_type("BOOL", bytes<std::uint8_t>({1, 0}), DType::u8, {1, 0});
  Tensor special = one("F16", "[2]", bytes<std::uint16_t>({0x7e00, 0xfc00})).read("x", *device);
  EXPECT_TRUE(std::isnan(special.to_doubles()[0]));
  EXPECT_EQ(special.to_doubles()[1], -HUGE_VAL);
}

TEST_F(Safetensors, NumbersAreConvertedWhenTheyFit) {
  SafetensorsFile f = one("F32", "[3]", bytes<float>({1, 255, 256}));
  EXPECT_EQ(f.read_as("x", *device, DType::f64).to_doubles(), (std::vector<double>{1, 255, 256}));
  EXPECT_EQ(f.read_as("x", *device, DType::i32).to_doubles(), (std::vector<double>{1, 255, 256}));
  EXPECT_EQ(f.read_as("x", *device, DType::bf16).dtype(), DType::bf16);
  EXPECT_EQ(sentence_of([&] { f.read_as("x", *device, DType::u8); }),
            f.path() + ": tensor 'x' holds 256, which does not fit u8");
  for (float x : {0.5f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 2147483648.0f})
    EXPECT_NE(sentence_of([&] { one("F32", "[1]", bytes<float>({x})).read_as("x", *device, DType::i32); }), "no error")
        << x;
  for (std::int64_t i : {std::int64_t(1) << 31, -(std::int64_t(1) << 31) - 1, std::numeric_limits<std::int64_t>::max()})
    EXPECT_NE(sentence_of([&] { one("I64", "[1]", bytes<std::int64_t>({i})).read("x", *device); }), "no error") << i;
}

TEST_F(Safetensors, LongTensorsAreConvertedInPieces) {
  std::string data;
  std::vector<double> wanted;
  for (int i = 0; i < 50001; ++i) {
    data += bytes<std::int64_t>({i * 3});
    wanted.push_back(i * 3);
  }
  EXPECT_EQ(one("I64", "[50001]", data).read("x", *device).to_doubles(), wanted);
}

TEST_F(Safetensors, LengthsThatLieAreRefused) {
  EXPECT_EQ(refusal(""), ": 0 bytes are too short for a safetensors file");
  EXPECT_EQ(refusal("1234567"), ": 7 bytes are too short for a safetensors file");
  EXPECT_EQ(refusal(little_endian(0) + "{}"), ": a header of 0 bytes is not between 1 and 100000000");
  EXPECT_EQ(refusal(little_endian(100'000'001) + "{}"), ": a header of 100000001 bytes is not between 1 and 100000000");
  EXPECT_EQ(refusal(little_endian(~0ull) + "{}"),
            ": a header of 18446744073709551615 bytes is not between 1 and 100000000");
  EXPECT_EQ(refusal(little_endian(3) + "{}"), ": the header of 3 bytes ends beyond the file of 10");
  EXPECT_EQ(refusal(little_endian(99'999'999) + "{}"), ": the header of 99999999 bytes ends beyond the file of 10");
}

TEST_F(Safetensors, HeadersThatAreNotJsonObjectsAreRefused) {
  EXPECT_EQ(refusal(with_header("[]")), ": the header is not a JSON object");
  EXPECT_EQ(refusal(with_header(" {}")), ": the header is not a JSON object");
  EXPECT_TRUE(refusal(with_header("{")).starts_with(" (header): line 1, column 1: "));
  EXPECT_TRUE(refusal(with_header("{} {}")).starts_with(" (header): line 1, column 4: "));
  EXPECT_TRUE(refusal(with_header("{\"\xff\": 1}")).starts_with(" (header): line 1, column 3: "));
  EXPECT_EQ(refusal(with_header(std::string("{}\0", 3))), " (header): is not JSON: it holds a zero byte");
  EXPECT_EQ(refusal(with_header("{\"a\":" + std::string(100, '['))), " (header): nested deeper than 64");
}

TEST_F(Safetensors, FieldsOfTheWrongTypeAreRefused) {
  EXPECT_EQ(refusal(with_header(R"({"x": 1})")), " (header): x wants an object, not an integer");
  EXPECT_EQ(refusal(with_header(R"({"x": {}})")), " (header): x.dtype is missing");
  EXPECT_EQ(refusal(with_header(R"({"x": {"dtype": "U8"}})")), " (header): x.shape is missing");
  EXPECT_EQ(refusal(with_header(R"({"x": {"dtype": "U8", "shape": []}})")), " (header): x.data_offsets is missing");
  EXPECT_EQ(refusal(with_header(R"({"x": {"dtype": 1}})")), " (header): x.dtype wants text, not an integer");
  EXPECT_EQ(refused_entry("U8", "3", "[0, 3]", "abc"), " (header): x.shape wants a list, not an integer");
  EXPECT_EQ(refused_entry("U8", "[3]", "3", "abc"), " (header): x.data_offsets wants a list, not an integer");
  EXPECT_EQ(refused_entry("U8", "[3]", "[0]", "abc"), ": tensor 'x' has 1 data_offsets instead of 2");
  EXPECT_EQ(refused_entry("U8", "[3]", "[0, 3, 3]", "abc"), ": tensor 'x' has 3 data_offsets instead of 2");
  EXPECT_EQ(refused_entry("U8", "[3]", "[0, 3.0]", "abc"),
            " (header): x.data_offsets[1] wants an integer, not a number");
  EXPECT_EQ(refused_entry("U8", "[\"3\"]", "[0, 3]", "abc"), " (header): x.shape[0] wants an integer, not text");
  EXPECT_EQ(refusal(with_header(R"({"__metadata__": []})")), " (header): __metadata__ wants an object, not a list");
  EXPECT_EQ(refusal(with_header(R"({"__metadata__": {"a": 1}})")),
            " (header): __metadata__.a wants text, not an integer");
  EXPECT_EQ(refused_entry("F31", "[1]", "[0, 4]", "abcd"), ": tensor 'x' has the unknown type 'F31'");
}

TEST_F(Safetensors, ImpossibleShapesAreRefused) {
  EXPECT_EQ(refused_entry("U8", "[-1]", "[0, 1]", "a"), ": tensor 'x' has the impossible shape [-1]");
  EXPECT_EQ(refused_entry("U8", "[-1, -1]", "[0, 1]", "a"), ": tensor 'x' has the impossible shape [-1, -1]");
  EXPECT_EQ(refused_entry("U8", "[1.5]", "[0, 1]", "a"), " (header): x.shape[0] wants an integer, not a number");
  EXPECT_EQ(refused_entry("U8", "[18446744073709551617]", "[0, 1]", "a"),
            " (header): x.shape[0] wants an integer, not a number");
  EXPECT_EQ(refused_entry("U8", "[18446744073709551615]", "[0, 1]", "a"),
            " (header): x.shape[0] is 18446744073709551615, too large for an integer");
  EXPECT_EQ(refused_entry("U8", "[4294967296, 4294967296]", "[0, 0]"),
            ": tensor 'x' has the impossible shape [4294967296, 4294967296]");
  EXPECT_EQ(refused_entry("F64", "[2305843009213693952]", "[0, 0]"),  // 2^61 x 8 bytes = 2^64, which wraps to zero
            ": tensor 'x' has the impossible shape [2305843009213693952]");
  EXPECT_EQ(refused_entry("U8", "[0, 4294967296, 4294967296]", "[0, 0]"),  // no bytes, but its strides overflow
            ": tensor 'x' has the impossible shape [0, 4294967296, 4294967296]");
  std::string ones = "[1";
  for (int i = 0; i < 32; ++i) ones += ",1";
  EXPECT_EQ(refused_entry("U8", ones + "]", "[0, 1]", "a"), ": tensor 'x' has 33 dims, more than 32");
}

TEST_F(Safetensors, RangesThatLieAreRefused) {
  EXPECT_EQ(refused_entry("U8", "[1]", "[1, 0]", "a"), ": tensor 'x' lies at bytes 1 to 0 of 1");
  EXPECT_EQ(refused_entry("U8", "[1]", "[-1, 0]", "a"), ": tensor 'x' lies at bytes -1 to 0 of 1");
  EXPECT_EQ(refused_entry("U8", "[2]", "[0, 2]", "a"), ": tensor 'x' lies at bytes 0 to 2 of 1");
  EXPECT_EQ(refused_entry("U8", "[0]", "[5, 5]", "a"), ": tensor 'x' lies at bytes 5 to 5 of 1");
  EXPECT_EQ(refused_entry("U8", "[1]", "[9223372036854775806, 9223372036854775807]", "a"),
            ": tensor 'x' lies at bytes 9223372036854775806 to 9223372036854775807 of 1");
  EXPECT_EQ(refused_entry("F32", "[2]", "[0, 4]", "abcd"),
            ": tensor 'x' of type F32 and shape [2] wants 8 bytes but has 4");
  EXPECT_EQ(refused_entry("F32", "[]", "[0, 0]"), ": tensor 'x' of type F32 and shape [] wants 4 bytes but has 0");
  EXPECT_EQ(refused_entry("U8", "[1]", "[1, 2]", "ab"), ": the 1 bytes before tensor 'x' belong to no tensor");
  EXPECT_EQ(refused_entry("U8", "[1]", "[0, 1]", "ab"), ": the last 1 bytes belong to no tensor");
  EXPECT_EQ(refusal(with_header("{}", "a")), ": the last 1 bytes belong to no tensor");
}

TEST_F(Safetensors, OverlapsHolesAndRepeatedNamesAreRefused) {
  auto two = [&](const std::string& a, const std::string& b) {
    return refusal(
        with_header("{" + tensor_entry("a", "U8", "[2]", a) + "," + tensor_entry("b", "U8", "[2]", b) + "}", "12345"));
  };
  EXPECT_EQ(two("[0, 2]", "[1, 3]"), ": tensor 'b' overlaps the one before it");
  EXPECT_EQ(two("[0, 2]", "[0, 2]"), ": tensor 'b' overlaps the one before it");
  EXPECT_EQ(two("[3, 5]", "[0, 2]"), ": the 1 bytes before tensor 'a' belong to no tensor");
  EXPECT_EQ(
      refusal(with_header(
          "{" + tensor_entry("a", "U8", "[1]", "[0, 1]") + "," + tensor_entry("a", "U8", "[1]", "[1, 2]") + "}", "ab")),
      " (header): the key 'a' stands twice in one object");
  EXPECT_EQ(refusal(with_header(
                "{" + tensor_entry("a", "U8", "[4]", "[0, 4]") + "," + tensor_entry("e", "U8", "[0]", "[2, 2]") + "}",
                "abcd")),
            ": tensor 'e' overlaps the one before it");
}

TEST_F(Safetensors, EveryTruncationAndEveryFlippedBitIsReadOrRefused) {
  std::vector<std::pair<std::string, Tensor>> all = {{"a", counted({2, 3}, DType::f32)},
                                                     {"b", counted({3}, DType::u8)}};
  write_safetensors(folder / "good", all, {{"k", "v"}});
  std::string good = folder.read("good");
  for (std::size_t n = 0; n < good.size(); ++n) EXPECT_NE(refusal(good.substr(0, n)), "no error") << n;
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = char(bad[bit / 8] ^ 1 << bit % 8);
    std::string path = folder.write("bad", bad);
    sentence_of([&] {  // any other exception, or a crash, fails the test
      SafetensorsFile f(path);
      for (const std::string& name : f.names()) f.read(name, *device);
    });
  }
}

TEST_F(Safetensors, AFileThatShrinksIsNoticed) {
  SafetensorsFile f = one("U8", "[4]", "abcd");
  std::filesystem::resize_file(f.path(), std::filesystem::file_size(f.path()) - 1);
  EXPECT_EQ(sentence_of([&] { f.read("x", *device); }), f.path() + ": tensor 'x' ends early: the file has shrunk");
}

TEST_F(Safetensors, MissingFilesAndFoldersAreNamed) {
  std::string path = folder / "none";
  EXPECT_EQ(sentence_of([&] { SafetensorsFile f(path); }), path + ": cannot be read (No such file or directory)");
  EXPECT_EQ(sentence_of([&] { SafetensorsFile f(folder.path()); }), folder.path() + ": is not a file");
}

TEST_F(Safetensors, NamesThatCannotBeWrittenAreRefused) {
  Tensor t = counted({1}, DType::f32);
  std::string path = folder.write("x", "old");
  std::vector<std::pair<std::string, Tensor>> twice = {{"a", t}, {"a", t}}, reserved = {{"__metadata__", t}},
                                              none = {{"a", {}}};
  for (const auto& tensors : {twice, reserved, none})
    EXPECT_NE(sentence_of([&] { write_safetensors(path, tensors); }), "no error");
  EXPECT_EQ(folder.read("x"), "old");
}

TEST_F(Safetensors, AFullDiskLeavesTheOldFile) {
  std::string path = folder.write("x", "old");
  std::vector<std::pair<std::string, Tensor>> all = {{"a", counted({1000}, DType::f32)}};
  auto before = signal(SIGXFSZ, SIG_IGN);  // as on a full disk, write() fails half way
  rlimit old{}, small{};
  getrlimit(RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 2000;
  setrlimit(RLIMIT_FSIZE, &small);
  std::string said = sentence_of([&] { write_safetensors(path, all); });
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, before);
  EXPECT_EQ(said, path + ": cannot be written (File too large)");
  EXPECT_EQ(folder.read("x"), "old");
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  EXPECT_EQ(sentence_of([&] { write_safetensors(folder / "no/x", all); }),
            folder / "no/x" + ": cannot be written (No such file or directory)");
}

TEST_F(Safetensors, EveryReferenceFileIsReadToTheEnd) {
  int files = 0;
  for (const char* family : {"tests/golden/lact", "tests/golden/ttt"}) {
    for (const auto& place : std::filesystem::directory_iterator(family)) {
      if (place.path().extension() != ".safetensors") continue;
      SafetensorsFile f(place.path().string());
      ++files;
      EXPECT_TRUE(f.metadata().contains("case")) << f.path();
      EXPECT_TRUE(Json::parse(f.metadata().at("hparams"), f.path()).is_object());
      EXPECT_FALSE(f.names().empty());
      for (const std::string& name : f.names()) {
        Tensor t = f.read(name, *device);
        EXPECT_EQ(t.to_doubles().size(), std::size_t(count_of(f.entry(name).shape))) << f.path() << " " << name;
      }
    }
  }
  EXPECT_EQ(files, 56);
}

}  // namespace
}  // namespace lact
