#include "data/text/tokenizers/sentence_piece_model.hpp"

#include <cstdint>
#include <cstring>
#include <optional>

#include "base/check.hpp"

namespace lact {
namespace {

// The fields of a message (protobuf.dev, "Encoding"), one after the other.
class Message {
 public:
  struct Field {
    std::uint64_t number = 0;
    std::optional<std::string_view> bytes;  // of texts and messages
  };
  Message(std::string_view bytes, const std::string& path) : rest_(bytes), path_(path) {}
  std::optional<Field> next() {
    if (rest_.empty()) return {};
    const std::uint64_t tag = integer();
    Field f{tag >> 3, {}};
    switch (tag & 7) {
      case 0:
        integer();
        break;
      case 1:
        take(8);
        break;
      case 2:
        f.bytes = take(integer());
        break;
      case 5:
        take(4);
        break;
      default:
        refuse();
    }
    if (f.number == 0) refuse();
    return f;
  }
  [[noreturn]] void refuse() const {
    fail("{}: is neither a tokenizer.json nor a SentencePiece model, or damaged", path_);
  }

 private:
  std::uint64_t integer() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = std::uint8_t(take(1)[0]);
      value |= std::uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    refuse();
  }
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) refuse();
    const std::string_view part = rest_.substr(0, std::size_t(count));
    rest_.remove_prefix(std::size_t(count));
    return part;
  }
  std::string_view rest_;
  const std::string& path_;
};

// The size of a trie in bytes, the trie, texts that end with zeros. The trie is a double array as Darts-clone makes it:
// a unit leads to any of 256 others of one block, which its place and its offset name; where it says so the first of
// them is a leaf, which holds the place of a text.
void check_letters(std::string_view table, const std::string& path) {
  auto word = [&](std::size_t at) {
    std::uint32_t w = 0;
    std::memcpy(&w, table.data() + at, 4);
    return w;
  };
  if (table.empty()) return;
  check(table.size() > 4 && word(0) % 1024 == 0 && word(0) < table.size() - 4 && table.back() == '\0',
        "{}: its table of letters is damaged", path);
  const std::uint32_t units = word(0) / 4, texts = std::uint32_t(table.size() - 4 - word(0));
  for (std::uint32_t u = 0; u < units; ++u) {
    const std::uint32_t unit = word(4 + 4 * std::size_t(u));
    if (unit >> 31 != 0) continue;  // a leaf leads nowhere
    const std::uint64_t to = u ^ std::uint64_t(unit >> 10) << ((unit & 0x200) >> 6);
    check((to | 0xff) < units, "{}: its table of letters is damaged", path);
    const bool has_leaf = (unit >> 8 & 1) != 0;
    check(!has_leaf || (word(4 + 4 * std::size_t(to)) & 0x7fffffff) < texts, "{}: its table of letters is damaged",
          path);
  }
}

void check_normalizer(std::string_view bytes, const std::string& path) {
  Message m(bytes, path);
  while (const auto f = m.next())
    if (f->number == 2 && f->bytes) check_letters(*f->bytes, path);
}

}  // namespace

void check_sentence_piece_model(std::string_view bytes, const std::string& path, std::int64_t max_pieces) {
  Message model(bytes, path);
  std::int64_t pieces = 0;
  while (const auto f = model.next()) {
    if ((f->number <= 3 || f->number == 5) && !f->bytes) model.refuse();
    if (f->number == 1) {
      Message piece(*f->bytes, path);
      while (piece.next()) continue;
      check(++pieces <= max_pieces, "{}: has more than {} pieces", path, max_pieces);
    }
    if (f->number == 3 || f->number == 5) check_normalizer(*f->bytes, path);
  }
  if (pieces == 0) model.refuse();
}

}  // namespace lact
