#include "base/check.hpp"

#include <fmt/args.h>
#include <fmt/format.h>

#include <algorithm>

namespace lact {
namespace {

// Letters that a terminal obeys instead of showing them: controls (a line break is none) and turns of the writing
// direction.
bool is_obeyed(std::string_view letter) {
  const auto byte = [&](std::size_t i) { return std::uint8_t(letter[i]); };
  if (letter.size() == 1) return (byte(0) < 0x20 && letter[0] != '\n') || byte(0) == 0x7f;
  if (letter.size() == 2) return byte(0) == 0xc2 && byte(1) < 0xa0;
  if (letter.size() != 3 || byte(0) != 0xe2) return false;
  return (byte(1) == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae) ||
         (byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9);
}

}  // namespace

std::size_t letter_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return std::uint8_t(text[i]); };
  if (byte(0) < 0x80) return 1;
  const std::size_t n = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const int two = byte(0) << 8 | byte(1);
  const bool longer_than_needed = (two >= 0xe080 && two < 0xe0a0) || (two >= 0xf080 && two < 0xf090);
  const bool no_letter = (two >= 0xeda0 && two < 0xedc0) || two >= 0xf490;  // half of a pair, beyond the last
  return longer_than_needed || no_letter ? 0 : n;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = letter_bytes(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

std::string shown(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t n = letter_bytes(text);
    const std::string_view letter = text.substr(0, std::max<std::size_t>(n, 1));
    if (n > 0 && !is_obeyed(letter))
      out += letter;
    else
      for (char c : letter) out += fmt::format("\\x{:02x}", std::uint8_t(c));
    text.remove_prefix(letter.size());
  }
  return out;
}

std::string fill(std::string_view text, std::initializer_list<Word> words) {
  fmt::dynamic_format_arg_store<fmt::format_context> store;
  for (const Word& w : words) {
    if (const auto* word = std::get_if<std::string_view>(&w.v))
      store.push_back(shown(*word));
    else
      std::visit([&](const auto& x) { store.push_back(x); }, w.v);
  }
  try {
    return fmt::vformat(text, store);
  } catch (const fmt::format_error&) {  // a wrong sentence must not hide the error it reports
    return std::string(text);
  }
}

std::string one_line(std::string sentence) {
  for (std::size_t at = 0; (at = sentence.find('\n', at)) != sentence.npos;) sentence.replace(at, 1, "\\n");
  return sentence;
}

Error::Error(const Said& why, std::initializer_list<Word> words)
    : Error(one_line(fill(why.text, words)), fmt::format("{}:{}", why.at.file_name(), why.at.line())) {}

void fail_with(const Said& why, std::initializer_list<Word> words) { throw Error(why, words); }

}  // namespace lact
