// How a tokenizer.json cuts and rewrites text before its words become tokens, and puts it together again. The kinds are
// those of GPT-2, of Llama 2 and of Llama 3; any other is refused by its name.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "files/json.hpp"

namespace lact {

struct Piece {
  std::string text;       // may hold bytes that are not UTF-8
  bool at_begin = false;  // of the whole text
};
using Pieces = std::vector<Piece>;
using TextStep = std::function<void(Pieces&)>;
using TokenStep = std::function<void(std::vector<std::string>&)>;  // from the names of tokens towards text

// Of null they do nothing. No step makes empty pieces.
TextStep normalizer_of(const Json& described);     // NFC, Prepend, Replace, Sequence
TextStep pre_tokenizer_of(const Json& described);  // ByteLevel, Digits, Metaspace, Sequence, Split
TokenStep decoder_of(const Json& described);       // ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip

// Bytes of the white space (Unicode's White_Space) that a text begins or ends with.
std::size_t white_begin(std::string_view text);
std::size_t white_end(std::string_view text);

}  // namespace lact
