#include <algorithm>
#include <string_view>

#include "data/views/images.hpp"

namespace lact {
namespace {

// Numbers of a TIFF header in either order of bytes; 0 beyond its end.
struct Tiff {
  std::string_view bytes;
  bool big() const { return bytes.starts_with("MM"); }
  std::uint32_t number(std::size_t at, std::size_t size) const {
    std::uint32_t n = 0;
    for (std::size_t i = 0; i < size && at + size <= bytes.size(); ++i)
      n = n << 8 | std::uint8_t(bytes[at + (big() ? i : size - 1 - i)]);
    return n;
  }
  int orientation() const {
    constexpr std::uint32_t tag_of_orientation = 0x112;
    const std::size_t directory = number(4, 4);
    for (std::size_t i = 0; i < number(directory, 2); ++i) {  // at most 65535 entries of 12 bytes
      const std::size_t entry = directory + 2 + 12 * i;
      if (number(entry, 2) != tag_of_orientation) continue;
      const std::uint32_t value = number(entry + 8, 2);
      return value >= 1 && value <= 8 ? int(value) : 1;
    }
    return 1;
  }
};

}  // namespace

int exif_orientation(const std::string& path) {
  constexpr std::int64_t usual_header = 1 << 17;  // the segment has at most 64 KiB and stands in front
  const FileReader file = open_picture(path);
  std::string head(std::size_t(std::min(usual_header, file.size())), '\0');
  file.read(head.data(), std::int64_t(head.size()), 0);
  if (!head.starts_with("\xff\xd8")) return 1;
  constexpr std::string_view mark("Exif\0\0", 6);
  const auto at = std::string_view(head).find(mark);
  return at == head.npos ? 1 : Tiff{std::string_view(head).substr(at + mark.size())}.orientation();
}

}  // namespace lact
