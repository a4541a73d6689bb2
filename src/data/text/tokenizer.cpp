#include "data/text/tokenizer.hpp"

#include "base/check.hpp"

namespace lact {

void Tokenizer::check_id(std::int32_t id) const {
  check(id >= 0 && id < vocabulary(), "{}: there is no token {} among {}", name(), id, vocabulary());
}

std::vector<std::int32_t> Tokenizer::document(std::string_view text) const {
  std::vector<std::int32_t> ids = encode(text);
  if (bos() >= 0 && bos() != eos()) ids.insert(ids.begin(), bos());
  if (eos() >= 0) ids.push_back(eos());
  return ids;
}

std::vector<std::int32_t> ByteTokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  ids.reserve(text.size() + 2);
  for (unsigned char c : text) ids.push_back(c);
  return ids;
}

std::string ByteTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    check_id(id);
    if (id < 256)
      text += char(id);
    else
      text += id == bos() ? "<bos>" : "<eos>";
  }
  return text;
}

std::shared_ptr<const Tokenizer> open_tokenizer(const Path& path) {
  if (path.empty()) return std::make_shared<ByteTokenizer>();
  fail("{}: tokenizers from files are not known yet", path);
}

}  // namespace lact
