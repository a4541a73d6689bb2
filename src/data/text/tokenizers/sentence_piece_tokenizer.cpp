#include "data/text/tokenizers/sentence_piece_tokenizer.hpp"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "data/text/tokenizers/sentence_piece_model.hpp"
#include "files/checksum.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

// The library replaces bytes that are not UTF-8, so letters of private use go through it in their stead: U+10FE00 and
// the 255 behind it, which no vocabulary has, and which therefore become their four bytes.
std::string stand_in(unsigned char b) { return {char(0xf4), char(0x8f), char(0xb8 | b >> 6), char(0x80 | (b & 0x3f))}; }
// Of the byte for which four bytes stand; -1 where they stand for none.
int stood_for(std::string_view four) {
  auto byte = [&](std::size_t i) { return std::uint8_t(four[i]); };
  if (four.size() < 4 || byte(0) != 0xf4 || byte(1) != 0x8f || (byte(2) & 0xfc) != 0xb8) return -1;
  return (byte(2) & 3) << 6 | (byte(3) & 0x3f);
}

std::string with_stand_ins(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t n = letter_bytes(text);
    if (n > 0)
      out += text.substr(0, n);
    else
      out += stand_in(std::uint8_t(text[0]));
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out;
}

std::string without_stand_ins(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const int b = stood_for(text);
    out += b >= 0 ? char(b) : text[0];
    text.remove_prefix(b >= 0 ? 4 : 1);
  }
  return out;
}

bool has_stand_ins(std::string_view text) {
  for (std::size_t at = 0; (at = text.find("\xf4\x8f", at)) != text.npos; ++at)
    if (stood_for(text.substr(at)) >= 0) return true;
  return false;
}

}  // namespace

struct SentencePieceTokenizer::Processor {
  sentencepiece::SentencePieceProcessor library;
  std::array<std::int32_t, 256> of_byte{};  // -1: no piece stands for it
  int byte_of(std::int32_t id) const {      // -1: it stands for no byte
    return library.IsByte(id) ? std::stoi(library.IdToPiece(id).substr(3, 2), nullptr, 16) : -1;
  }
};

SentencePieceTokenizer::SentencePieceTokenizer(const std::string& path) : path_(path) {
  const std::string bytes = read_text(path, max_bytes);
  check_sentence_piece_model(bytes, path, max_vocabulary);
  fingerprint_ = checksum_text(checksum_of(bytes));
  auto processor = std::make_unique<Processor>();
  const auto status = processor->library.LoadFromSerializedProto(bytes);
  check(status.ok(), "{}: is no SentencePiece model that its library reads ({})", path, status.message());
  for (int b = 0; b < 256; ++b) {
    const std::string piece = fill("<0x{:02X}>", {b});
    const int id = processor->library.PieceToId(piece);
    processor->of_byte[std::size_t(b)] = processor->library.IsByte(id) ? id : -1;
  }
  processor_ = std::move(processor);
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

std::int64_t SentencePieceTokenizer::vocabulary() const { return processor_->library.GetPieceSize(); }
std::int32_t SentencePieceTokenizer::bos() const { return processor_->library.bos_id(); }
std::int32_t SentencePieceTokenizer::eos() const { return processor_->library.eos_id(); }

std::vector<std::int32_t> SentencePieceTokenizer::encoded(std::string_view text) const {
  std::vector<int> ids;
  const auto status = processor_->library.Encode(std::string(text), &ids);
  check(status.ok(), "{}: a text cannot be encoded ({})", path_, status.message());
  return {ids.begin(), ids.end()};
}

std::vector<std::int32_t> SentencePieceTokenizer::encode(std::string_view text) const {
  if (is_utf8(text) || has_stand_ins(text)) return encoded(text);
  const std::vector<std::int32_t> ids = encoded(with_stand_ins(text));
  std::vector<std::int32_t> out;
  for (std::size_t i = 0; i < ids.size();) {
    std::string four;
    for (std::size_t j = i; j < std::min(i + 4, ids.size()); ++j)
      if (const int b = processor_->byte_of(ids[j]); b >= 0) four += char(b);
    const int b = stood_for(four);
    out.push_back(b >= 0 ? processor_->of_byte[std::size_t(b)] : ids[i]);
    i += b >= 0 ? 4 : 1;
  }
  return out;
}

std::string SentencePieceTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::vector<std::string> pieces;
  bool stood = false;
  for (std::size_t i = 0; i < ids.size();) {
    check_id(ids[i]);
    std::string bytes;  // that begin here, as many as one letter may have
    for (std::size_t j = i; j < std::min(i + 4, ids.size()); ++j) {
      const int b = ids[j] >= 0 && ids[j] < vocabulary() ? processor_->byte_of(ids[j]) : -1;
      if (b < 0) break;
      bytes += char(b);
    }
    const std::size_t letter = bytes.empty() ? 1 : letter_bytes(bytes);
    if (letter == 0) {
      pieces.push_back(stand_in(std::uint8_t(bytes[0])));
      stood = true;
    }
    for (std::size_t j = 0; j < letter; ++j) pieces.push_back(processor_->library.IdToPiece(ids[i + j]));
    i += std::max<std::size_t>(letter, 1);
  }
  std::string text;
  const auto status = processor_->library.Decode(pieces, &text);
  check(status.ok(), "{}: tokens cannot be decoded ({})", path_, status.message());
  return stood ? without_stand_ins(text) : text;
}

}  // namespace lact
