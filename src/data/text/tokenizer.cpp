#include "data/text/tokenizer.hpp"

#include <filesystem>

#include "base/check.hpp"
#include "base/file_work.hpp"
#include "data/text/tokenizers/bpe_tokenizer.hpp"
#include "data/text/tokenizers/sentence_piece_tokenizer.hpp"
#include "files/whole_file.hpp"

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

namespace {
constexpr std::size_t head_bytes = 64;  // of a file, where its kind shows
}

bool begins_json(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, head_bytes);
  const std::size_t first = head.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  return first != head.npos && head[first] == '{';
}

Path tokenizer_beside(const std::string& folder) {
  for (const char* name : {"/tokenizer.json", "/tokenizer.model"})
    if (std::filesystem::exists(folder + name)) return folder + name;
  return {};
}

std::shared_ptr<const Tokenizer> open_tokenizer(const Path& path) {
  if (path.empty()) return std::make_shared<ByteTokenizer>();
  const FileWork work("reading the tokenizer", path);
  std::string file = path;
  if (std::filesystem::is_directory(file)) {
    file = tokenizer_beside(path);
    check(!file.empty(), "{}: is a folder that holds neither tokenizer.json nor tokenizer.model", path);
  }
  return reading(file, [&]() -> std::shared_ptr<const Tokenizer> {
    const FileReader reader(file);
    std::string head(head_bytes, ' ');
    head.resize(std::size_t(reader.read(head.data(), std::int64_t(head.size()), 0)));
    if (begins_json(head)) return std::make_shared<BpeTokenizer>(file);
    return std::make_shared<SentencePieceTokenizer>(file);
  });
}

}  // namespace lact
