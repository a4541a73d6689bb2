// The letter that stands for each byte in vocabularies of byte-level tokenizers (GPT-2): printable ones of Latin-1 for
// themselves, the others in order from U+0100 on.
#pragma once
#include <string>
#include <string_view>

namespace lact {

std::string letters_of_bytes(std::string_view bytes);
// Back; the text itself where a letter in it stands for no byte.
std::string bytes_of_letters(std::string_view text);

}  // namespace lact
