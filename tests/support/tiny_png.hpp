// PNG files of any kind for tests, made without a library: rows are given raw and stored uncompressed.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lact {

struct TinyPng {
  std::uint32_t width = 0, height = 0;
  int depth = 8, colour = 2;          // as in the header: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA
  std::vector<std::string> rows;      // without filter bytes; of all passes in turn when interlaced
  std::string palette, transparency;  // contents of PLTE and tRNS
  bool interlaced = false;

  std::string bytes() const {
    std::string header = big(width) + big(height) + char(depth) + char(colour) + char(0) + char(0) + char(interlaced);
    std::string file = "\x89PNG\r\n\x1a\n" + chunk("IHDR", header);
    if (!palette.empty()) file += chunk("PLTE", palette);
    if (!transparency.empty()) file += chunk("tRNS", transparency);
    return file + chunk("IDAT", stored()) + chunk("IEND", "");
  }

  static std::string big(std::uint32_t x) { return {char(x >> 24), char(x >> 16), char(x >> 8), char(x)}; }
  static std::string chunk(const std::string& name, const std::string& data) {
    std::uint32_t crc = 0xffffffffu;
    for (unsigned char c : name + data) {
      crc ^= c;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return big(std::uint32_t(data.size())) + name + data + big(~crc);
  }

 private:
  std::string stored() const {  // a zlib stream of blocks that are not compressed
    std::string raw;
    for (const std::string& row : rows) raw += '\0' + row;
    std::uint32_t a = 1, b = 0;
    for (unsigned char c : raw) a = (a + c) % 65521, b = (b + a) % 65521;
    std::string zlib = "\x78\x01";
    constexpr std::size_t most = 65535;
    for (std::size_t at = 0; at == 0 || at < raw.size(); at += most) {
      const std::string part = raw.substr(at, most);
      const auto n = std::uint16_t(part.size()), inverse = std::uint16_t(~n);
      zlib += {char(at + most >= raw.size()), char(n), char(n >> 8), char(inverse), char(inverse >> 8)};
      zlib += part;
    }
    return zlib + big(b << 16 | a);
  }
};

}  // namespace lact
