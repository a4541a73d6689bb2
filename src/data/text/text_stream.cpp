#include "data/text/text_stream.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"

namespace lact {
namespace {

// Bytes at the end of a text that may be the begin of a letter.
std::size_t begun(std::string_view text) {
  for (std::size_t n = 1; n <= std::min<std::size_t>(3, text.size()); ++n) {
    const auto byte = std::uint8_t(text[text.size() - n]);
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;  // the inside of a letter
    const std::size_t letter = byte >= 0xf8 ? 0 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return n < letter ? n : 0;
  }
  return 0;
}

}  // namespace

// Decoders leave out the space before the first token of a text, so a token is decoded behind the one before it.
std::string TextStream::add(std::int32_t id) {
  const std::array both{last_, id};
  const std::span<const std::int32_t> ids(both);
  std::string bytes = tokenizer_.decode(ids.last(1));
  if (last_ >= 0) {
    const std::string before = tokenizer_.decode(ids.first(1)), all = tokenizer_.decode(ids);
    if (all.starts_with(before)) bytes = all.substr(before.size());
  }
  last_ = id;
  text_ += bytes;
  const std::size_t end = text_.size() - begun(text_), from = std::min(written_, end);
  written_ = std::max(written_, end);
  return text_.substr(from, written_ - from);
}

std::string TextStream::rest() {
  const std::size_t from = std::exchange(written_, text_.size());
  return text_.substr(from);
}

}  // namespace lact
