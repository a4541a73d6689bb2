// Whether the bytes of a SentencePiece model are one, before its library believes them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace lact {

// Refused: what is no message of Protocol Buffers with pieces in it, more than `max_pieces` of them, and tables of
// letters (a double-array trie, and texts behind it) whose numbers lead out of the table.
void check_sentence_piece_model(std::string_view bytes, const std::string& path, std::int64_t max_pieces);

}  // namespace lact
