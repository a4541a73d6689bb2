#include "run/tensorboard.hpp"

#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/check.hpp"

namespace lact {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit)
      c = (c >> 1) ^ (c & 1 ? 0x82f63b78u : 0u);  // the Castagnoli polynomial, reflected
    table[i] = c;
  }
  return table;
}();

// TFRecord stores checksums rotated and shifted, so that a checksum of data that holds checksums stays meaningful.
std::uint32_t masked_crc(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }

template <class T>
std::string little_endian(T value) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// --- protobuf wire format: a field is a varint (number * 8 + kind), then the value
enum Kind : std::uint64_t { varint = 0, eight_bytes = 1, with_length = 2, four_bytes = 5 };

std::string varint_of(std::uint64_t v) {
  std::string bytes;
  for (; v >= 0x80; v >>= 7) bytes += char(v | 0x80);
  return bytes += char(v);
}
std::string field(std::uint64_t number, std::int64_t v) {
  return varint_of(number << 3 | varint) + varint_of(std::uint64_t(v));
}
std::string field(std::uint64_t number, double v) { return varint_of(number << 3 | eight_bytes) + little_endian(v); }
std::string field(std::uint64_t number, float v) { return varint_of(number << 3 | four_bytes) + little_endian(v); }
std::string field(std::uint64_t number, std::string_view v) {
  return varint_of(number << 3 | with_length) + varint_of(v.size()) + std::string(v);
}

// Field numbers of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
namespace event {
constexpr int wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
}
namespace summary {
constexpr int value = 1, value_tag = 1, value_simple = 2, value_image = 4;
constexpr int image_height = 1, image_width = 2, image_colorspace = 3, image_bytes = 4;
}  // namespace summary
constexpr int session_status = 1;
constexpr std::int64_t session_start = 1;

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 && name[0] ? name.data() : "localhost";
}

// Readers take files in the order of their names, so a second start within a second takes the next free one.
std::string free_path(const std::string& folder) {
  const std::string host = host_name();
  for (auto seconds = std::int64_t(seconds_since_1970());; ++seconds) {
    std::string path = sentence("{}/events.out.tfevents.{}.{}", folder, seconds, host);
    if (!std::filesystem::exists(path)) return path;
  }
}

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t v = 0;
  for (char c : bytes) v = v << 8 | std::uint8_t(c);
  return v;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t c = ~0u;
  for (char b : bytes) c = crc_table[(c ^ std::uint8_t(b)) & 0xff] ^ (c >> 8);
  return ~c;
}

EventFile::EventFile(const std::string& folder, std::int64_t first_step)
    : path_(free_path(folder)), file_(path_, path_) {
  write(0, field(event::file_version, std::string_view("brain.Event:2")));
  write(first_step, field(event::session_log, std::string_view(field(session_status, session_start))));
}

void EventFile::scalars(std::int64_t step, const NamedValues& values) {
  std::string all;
  for (const auto& [tag, value] : values) {
    std::string one = field(summary::value_tag, std::string_view(tag)) + field(summary::value_simple, float(value));
    all += field(summary::value, std::string_view(one));
  }
  write(step, field(event::summary, std::string_view(all)));
}

void EventFile::picture(std::int64_t step, const std::string& tag, const std::string& png_path) {
  constexpr std::int64_t largest = 64 << 20;
  const std::string png = read_text(png_path, largest);
  const std::string_view bytes = png;
  check(bytes.size() > 33 && bytes.substr(1, 3) == "PNG" && bytes.substr(12, 4) == "IHDR", "{}: is not a PNG picture",
        png_path);
  // Colour types 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA; TensorBoard's colorspace is the number of channels.
  constexpr std::array<std::int64_t, 7> channels = {1, 0, 3, 3, 2, 0, 4};
  const auto colour = std::uint8_t(bytes[25]);
  check(colour < channels.size(), "{}: unknown PNG colour type {}", png_path, colour);
  std::string image = field(summary::image_height, std::int64_t(big_endian(bytes.substr(20, 4)))) +
                      field(summary::image_width, std::int64_t(big_endian(bytes.substr(16, 4)))) +
                      field(summary::image_colorspace, channels[colour]) + field(summary::image_bytes, bytes);
  std::string one =
      field(summary::value_tag, std::string_view(tag)) + field(summary::value_image, std::string_view(image));
  write(step, field(event::summary, std::string_view(field(summary::value, std::string_view(one)))));
}

void EventFile::write(std::int64_t step, std::string_view what) {
  std::string message = field(event::wall_time, seconds_since_1970());
  message += field(event::step, step);
  message += what;
  const std::string length = little_endian(std::uint64_t(message.size()));
  file_.write(length + little_endian(masked_crc(length)) + message + little_endian(masked_crc(message)));
}

}  // namespace lact
