// Unicode's composed normal form (NFC, Unicode Standard Annex 15): one spelling of each letter that has several.
#pragma once
#include <string>
#include <string_view>

namespace lact {

// Bytes that are not UTF-8 stay where they are.
std::string composed_form(std::string_view text);

// The tables, words that end with blanks, all numbers in hexadecimal: "C0=41+300", a letter and those that it is made
// of; "212B<C5" where it is only ever taken apart. "300-315:E6", letters of one combining class, the end not among
// them.
extern const char* const letters_made_of_others;
extern const char* const combining_classes;

}  // namespace lact
