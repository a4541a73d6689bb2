#include "run/tensorboard.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "base/check.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

template <class T>
T number_at(std::string_view bytes, std::size_t at = 0) {
  T v;
  check(bytes.size() >= at + sizeof v, "{} bytes end before {}", bytes.size(), at + sizeof v);
  std::memcpy(&v, bytes.data() + at, sizeof v);
  return v;
}

std::uint32_t masked(std::string_view bytes) {  // tensorflow/core/lib/hash/crc32c.h
  const std::uint32_t c = crc32c(bytes);
  return ((c >> 15) | (c << 17)) + 0xa282ead8u;
}

std::vector<std::string> records_of(const EventFile& events) {
  std::vector<std::string> records;
  const std::string all = read_text(events.path(), 1 << 20);
  std::string_view rest = all;
  while (!rest.empty()) {
    const auto length = number_at<std::uint64_t>(rest);
    EXPECT_EQ(number_at<std::uint32_t>(rest, 8), masked(rest.substr(0, 8)));
    records.emplace_back(rest.substr(12, length));
    EXPECT_EQ(number_at<std::uint32_t>(rest, 12 + length), masked(records.back()));
    rest.remove_prefix(16 + length);
  }
  return records;
}

// The fields of a protobuf message by number; a varint is kept as its 8 bytes.
std::multimap<int, std::string> fields_of(std::string_view message) {
  std::multimap<int, std::string> fields;
  auto varint = [&] {
    std::uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = std::uint8_t(message.at(0));
      message.remove_prefix(1);
      v |= std::uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
  };
  auto taken = [&](std::size_t n) {
    check(n <= message.size(), "a field of {} bytes where {} are left", n, message.size());
    std::string bytes(message.substr(0, n));
    message.remove_prefix(n);
    return bytes;
  };
  while (!message.empty()) {
    const std::uint64_t key = varint();
    std::string value;
    if (std::uint64_t v; (key & 7) == 0) {
      v = varint();
      value.assign(reinterpret_cast<const char*>(&v), sizeof v);
    } else {
      value = taken((key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : varint());
    }
    fields.emplace(int(key >> 3), value);
  }
  return fields;
}

std::string only(const std::multimap<int, std::string>& fields, int number) {
  EXPECT_EQ(fields.count(number), 1u) << "field " << number;
  return fields.count(number) ? fields.find(number)->second : "";
}

// Check values of RFC 3720, appendix B.4, and of the usual nine digits.
TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(EventFile, BeginsWithTheVersionAndTheFirstStep) {
  TemporaryFolder folder;
  EventFile events(folder.path(), 41);
  EXPECT_TRUE(events.path().starts_with(folder / "events.out.tfevents."));
  auto records = records_of(events);
  ASSERT_EQ(records.size(), 2u);
  auto version = fields_of(records[0]), start = fields_of(records[1]);
  EXPECT_GT(number_at<double>(only(version, 1)), 1.6e9);
  EXPECT_EQ(only(version, 3), "brain.Event:2");
  EXPECT_EQ(number_at<std::int64_t>(only(start, 2)), 41);
  EXPECT_EQ(number_at<std::int64_t>(only(fields_of(only(start, 7)), 1)), 1);
}

TEST(EventFile, ScalarsReadBack) {
  TemporaryFolder folder;
  EventFile events(folder.path(), 0);
  const std::string long_tag(300, 'x');  // its length takes two bytes
  events.scalars(std::int64_t(1) << 40, {{"train/loss", 0.1}, {long_tag, -2.5}});
  auto message = fields_of(records_of(events).at(2));
  EXPECT_EQ(number_at<std::int64_t>(only(message, 2)), std::int64_t(1) << 40);
  auto values = fields_of(only(message, 5));
  ASSERT_EQ(values.count(1), 2u);
  auto first = fields_of(values.find(1)->second), second = fields_of(std::next(values.find(1))->second);
  EXPECT_EQ(only(first, 1), "train/loss");
  EXPECT_EQ(number_at<float>(only(first, 2)), 0.1f);
  EXPECT_EQ(only(second, 1), long_tag);
  EXPECT_EQ(number_at<float>(only(second, 2)), -2.5f);
}

// A PNG header of 7 x 5 RGB pixels; what follows it is the viewer's business.
std::string png_of_7_by_5() {
  std::string png = "\x89PNG\r\n\x1a\n";
  png += std::string("\0\0\0\x0dIHDR\0\0\0\x07\0\0\0\x05\x08\x02\0\0\0", 21);
  return png + std::string(20, 'z');
}

TEST(EventFile, PictureKeepsSizeAndBytes) {
  TemporaryFolder folder;
  folder.write("a.png", png_of_7_by_5());
  EventFile events(folder.path(), 0);
  events.picture(3, "eval/sheet", folder / "a.png");
  auto message = fields_of(records_of(events).at(2));
  auto value = fields_of(only(fields_of(only(message, 5)), 1));
  EXPECT_EQ(only(value, 1), "eval/sheet");
  auto image = fields_of(only(value, 4));
  EXPECT_EQ(number_at<std::int64_t>(only(image, 1)), 5);
  EXPECT_EQ(number_at<std::int64_t>(only(image, 2)), 7);
  EXPECT_EQ(number_at<std::int64_t>(only(image, 3)), 3);
  EXPECT_EQ(only(image, 4), png_of_7_by_5());
}

TEST(EventFile, WhatIsNoPngIsNamedAndNothingIsWritten) {
  TemporaryFolder folder;
  EventFile events(folder.path(), 0);
  for (const std::string& content : {std::string(), std::string("GIF89a"), png_of_7_by_5().substr(0, 20)}) {
    folder.write("b.png", content);
    const std::string why = sentence_of([&] { events.picture(0, "t", folder / "b.png"); });
    EXPECT_EQ(why, folder / "b.png" + ": is not a PNG picture");
  }
  EXPECT_EQ(records_of(events).size(), 2u);
}

TEST(EventFile, ASecondStartWithinASecondTakesALaterName) {
  TemporaryFolder folder;
  EventFile a(folder.path(), 0), b(folder.path(), 5), c(folder.path(), 9);
  EXPECT_LT(a.path(), b.path());
  EXPECT_LT(b.path(), c.path());
}

}  // namespace
}  // namespace lact
