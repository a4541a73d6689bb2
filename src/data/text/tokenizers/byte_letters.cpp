#include "data/text/tokenizers/byte_letters.hpp"

#include <array>
#include <cstdint>
#include <map>

#include "base/check.hpp"

namespace lact {
namespace {

struct Letters {
  std::array<std::string, 256> of_byte;
  std::map<std::string, char, std::less<>> byte_of;
  Letters() {
    int next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b > 32 && b < 127) || (b > 160 && b != 173);
      const int code = printable ? b : next++;
      std::string& s = of_byte[std::size_t(b)];
      s = code < 128 ? std::string{char(code)} : std::string{char(0xc0 | code >> 6), char(0x80 | (code & 0x3f))};
      byte_of[s] = char(b);
    }
  }
};

const Letters& letters() {
  static const Letters all;
  return all;
}

}  // namespace

std::string letters_of_bytes(std::string_view bytes) {
  std::string text;
  for (unsigned char b : bytes) text += letters().of_byte[b];
  return text;
}

std::string bytes_of_letters(std::string_view text) {
  std::string bytes;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view letter = rest.substr(0, letter_bytes(rest));
    const auto found = letters().byte_of.find(letter);
    if (letter.empty() || found == letters().byte_of.end()) return std::string(text);
    bytes += found->second;
    rest.remove_prefix(letter.size());
  }
  return bytes;
}

}  // namespace lact
