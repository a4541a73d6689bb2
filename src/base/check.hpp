// Sentences with numbers in them, and the error that carries one. fmt itself stays in check.cpp.
#pragma once
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>

namespace lact {

struct Said {  // a sentence with {} places that remembers where it was written, so check() needs no macro
  std::string_view text;
  std::source_location at;
  template <class S>
  consteval Said(const S& s, std::source_location l = std::source_location::current()) : text(s), at(l) {}
};

struct Word {  // one {} of a sentence
  std::variant<std::int64_t, double, std::string_view> v;
  Word(std::integral auto x) : v(std::int64_t(x)) {}
  Word(std::floating_point auto x) : v(double(x)) {}
  Word(std::string_view x) : v(x) {}
  Word(const std::string& x) : v(std::string_view(x)) {}
  Word(const char* x) : v(std::string_view(x)) {}
};

// The one exception of the house. what() is the sentence a user reads; where() is "file:line" for the log.
class Error : public std::runtime_error {
 public:
  Error(const std::string& sentence, std::string where) : std::runtime_error(sentence), where_(std::move(where)) {}
  Error(const Said& why, std::initializer_list<Word> words);
  const std::string& where() const { return where_; }

 private:
  std::string where_;
};

// Bytes of the UTF-8 letter that `text`, which is not empty, begins with; 0 where it begins with none. As the Unicode
// standard has it: no longer forms, no surrogates.
std::size_t letter_bytes(std::string_view text);
bool is_utf8(std::string_view text);
// Names come from files of others: what a terminal would obey, and bytes that are no text, becomes \x1b and the like.
std::string shown(std::string_view text);
std::string one_line(std::string sentence);  // a line break becomes \n
// Fills the {} places (fmt syntax, so {:.3f} works) with words as they are shown.
std::string fill(std::string_view text, std::initializer_list<Word> words);
template <class... A>
std::string sentence(Said text, const A&... words) {
  return fill(text.text, {Word(words)...});
}

[[noreturn]] void fail_with(const Said& why, std::initializer_list<Word> words);
template <class... A>
[[noreturn]] void fail(Said why, const A&... words) {
  fail_with(why, {Word(words)...});
}
// Stays on in release: one branch, outside kernels.
template <class... A>
void check(bool ok, Said why, const A&... words) {
  if (!ok) [[unlikely]]
    fail_with(why, {Word(words)...});
}

// What `work` returns. Memory that is missing while a file is read becomes a sentence that names the file.
template <class Work>
auto reading(const std::string& path, const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  fail("{}: reading it takes more memory than there is", path);
}

}  // namespace lact
