#include "data/text/tokenizers/normal_form.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <unordered_map>
#include <vector>

#include "base/check.hpp"

namespace lact {
namespace {

using Letters = std::u32string;
constexpr char32_t not_a_letter = 0x110000;  // plus a byte: one that is not UTF-8

// Syllables of Hangul are made by arithmetic (Unicode Standard, 3.12): leads, vowels and tails.
constexpr char32_t syllables = 0xac00, leads = 0x1100, vowels = 0x1161, tails = 0x11a7;
constexpr char32_t lead_count = 19, vowel_count = 21, tail_count = 28,
                   syllable_count = lead_count * vowel_count * tail_count;

std::vector<char32_t> numbers_of(std::string_view word) {
  std::vector<char32_t> all;
  for (const char *at = word.data(), *end = at + word.size(); at < end; ++at) {
    std::uint32_t x = 0;
    at = std::from_chars(at, end, x, 16).ptr;
    all.push_back(x);
  }
  return all;
}

struct Tables {
  std::unordered_map<char32_t, Letters> parts;
  std::map<std::pair<char32_t, char32_t>, char32_t> whole;
  std::map<char32_t, std::pair<char32_t, int>> classes;  // by the last letter of a range: its begin and class

  Tables() {
    each_word(letters_made_of_others, [this](std::string_view word) {
      const std::vector<char32_t> n = numbers_of(word);
      parts[n[0]] = Letters(n.begin() + 1, n.end());
      if (word.find('=') != word.npos) whole[{n[1], n[2]}] = n[0];
    });
    each_word(combining_classes, [this](std::string_view word) {
      const std::vector<char32_t> n = numbers_of(word);
      classes[n[1] - 1] = {n[0], int(n[2])};
    });
  }
  template <class Take>
  static void each_word(std::string_view words, Take take) {
    for (std::size_t end; (end = words.find(' ')) != words.npos; words.remove_prefix(end + 1))
      take(words.substr(0, end));
  }
  int class_of(char32_t c) const {
    const auto range = classes.lower_bound(c);
    return range != classes.end() && range->second.first <= c ? range->second.second : 0;
  }
};

const Tables& tables() {
  static const Tables all;
  return all;
}

Letters decoded(std::string_view text) {
  Letters out;
  while (!text.empty()) {
    const std::size_t n = letter_bytes(text);
    const auto byte = [&](std::size_t i) { return char32_t(std::uint8_t(text[i])); };
    char32_t c = n == 0 ? not_a_letter + byte(0) : n == 1 ? byte(0) : byte(0) & (0xffu >> (n + 1));
    for (std::size_t i = 1; i < n; ++i) c = c << 6 | (byte(i) & 0x3f);
    out += c;
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out;
}

void append(std::string& text, char32_t c) {
  auto tail = [&](int shift) { text += char(0x80 | (c >> shift & 0x3f)); };
  if (c >= not_a_letter) {
    text += char(c - not_a_letter);
  } else if (c < 0x80) {
    text += char(c);
  } else if (c < 0x800) {
    text += char(0xc0 | c >> 6), tail(0);
  } else if (c < 0x10000) {
    text += char(0xe0 | c >> 12), tail(6), tail(0);
  } else {
    text += char(0xf0 | c >> 18), tail(12), tail(6), tail(0);
  }
}

void take_apart(Letters& out, char32_t c) {
  if (c >= syllables && c < syllables + syllable_count) {
    const char32_t s = c - syllables, tail = s % tail_count;
    out += leads + s / (vowel_count * tail_count);
    out += vowels + s / tail_count % vowel_count;
    if (tail > 0) out += tails + tail;
    return;
  }
  const auto found = tables().parts.find(c);
  if (found == tables().parts.end()) {
    out += c;
  } else {
    for (const char32_t part : found->second) take_apart(out, part);
  }
}

// 0: the two make none.
char32_t together(char32_t a, char32_t b) {
  if (a >= leads && a < leads + lead_count && b >= vowels && b < vowels + vowel_count)
    return syllables + ((a - leads) * vowel_count + (b - vowels)) * tail_count;
  const bool open = a >= syllables && a < syllables + syllable_count && (a - syllables) % tail_count == 0;
  if (open && b > tails && b < tails + tail_count) return a + (b - tails);
  const auto found = tables().whole.find({a, b});
  return found == tables().whole.end() ? 0 : found->second;
}

// Marks of other classes than 0 in the order of these, those of one class as they stood.
void put_in_order(Letters& all) {
  for (std::size_t begin = 0; begin < all.size();) {
    std::size_t end = begin;
    while (end < all.size() && tables().class_of(all[end]) > 0) ++end;
    std::stable_sort(all.begin() + std::ptrdiff_t(begin), all.begin() + std::ptrdiff_t(end),
                     [](char32_t a, char32_t b) { return tables().class_of(a) < tables().class_of(b); });
    begin = end + 1;
  }
}

// A letter joins the last one of class 0 unless one of its class or above, or another of class 0, stands between.
Letters joined(const Letters& all) {
  Letters out;
  std::size_t first = Letters::npos;  // the last letter of class 0 in `out`
  int before = 0;                     // the class of the letter that ends `out`
  for (const char32_t c : all) {
    const int kind = tables().class_of(c);
    const bool next_to_it = first != Letters::npos && first + 1 == out.size();
    if (first != Letters::npos && (next_to_it || (before != 0 && before < kind)))
      if (const char32_t whole = together(out[first], c); whole != 0) {
        out[first] = whole;
        continue;
      }
    out += c;
    before = kind;
    if (kind == 0) first = out.size() - 1;
  }
  return out;
}

}  // namespace

std::string composed_form(std::string_view text) {
  // Letters below U+0300 are in that form; in UTF-8 those from there on begin with 0xcc or more.
  if (std::ranges::none_of(text, [](char c) { return std::uint8_t(c) >= 0xcc; })) return std::string(text);
  Letters apart;
  for (const char32_t c : decoded(text)) take_apart(apart, c);
  put_in_order(apart);
  std::string out;
  for (const char32_t c : joined(apart)) append(out, c);
  return out;
}

}  // namespace lact
