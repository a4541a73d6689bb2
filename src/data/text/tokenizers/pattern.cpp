#include "data/text/tokenizers/pattern.hpp"

#include <pcre2.h>

#include <array>

#include "base/check.hpp"

namespace lact {
namespace {

constexpr std::size_t most_bytes = 1 << 16;
constexpr std::uint32_t most_heap = 1 << 16;  // KiB for one match

constexpr const char* white_space =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
constexpr const char* of_words = "\\p{L}\\p{M}\\p{Nd}\\p{Pc}";

// What stands behind a backslash, inside brackets or not.
std::string escaped(char c, bool in_class, const std::string& where) {
  const bool negated = c == 'S' || c == 'W';
  check(c != 'h' && c != 'H', "{}: \\{} in a pattern is not known", where, std::string(1, c));
  check(!negated || !in_class, "{}: \\{} in brackets of a pattern is not known", where, std::string(1, c));
  if (c == 'd') return "\\p{Nd}";
  if (c == 'D') return "\\P{Nd}";
  if (c != 's' && c != 'S' && c != 'w' && c != 'W') return {'\\', c};
  const std::string set = c == 's' || c == 'S' ? white_space : of_words;
  return in_class ? set : (negated ? "[^" : "[") + set + "]";
}

std::string for_pcre2(const std::string& e, const std::string& where) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < e.size(); ++i) {
    if (e[i] == '\\' && i + 1 < e.size()) {
      out += escaped(e[++i], in_class, where);
    } else if (!in_class && e[i] == '[') {
      in_class = true;
      out += e[i];
      if (i + 1 < e.size() && e[i + 1] == '^') out += e[++i];
    } else {
      const bool set_of_sets = in_class && (e[i] == '[' || e.compare(i, 2, "&&") == 0);
      check(!set_of_sets, "{}: sets of sets in a pattern are not known", where);
      if (e[i] == ']') in_class = false;
      out += e[i];
    }
  }
  return out;
}

std::string words_of(int error) {
  std::array<char, 256> words{};
  pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(words.data()), words.size());
  return words.data();
}

template <class T, void (*release)(T*)>
using Owned = std::unique_ptr<T, std::integral_constant<void (*)(T*), release>>;

using Code = Owned<pcre2_code, pcre2_code_free>;
using MatchData = Owned<pcre2_match_data, pcre2_match_data_free>;
using MatchContext = Owned<pcre2_match_context, pcre2_match_context_free>;
using CompileContext = Owned<pcre2_compile_context, pcre2_compile_context_free>;

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct Pattern::Compiled {
  Code code;
};

Pattern::Pattern(const std::string& expression, std::string where) : where_(std::move(where)) {
  check(expression.size() <= most_bytes, "{}: a pattern of {} bytes is longer than {}", where_, expression.size(),
        most_bytes);
  const std::string e = for_pcre2(expression, where_);
  const CompileContext context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE at = 0;
  Code code(pcre2_compile(units(e), e.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                          &at, context.get()));
  check(code != nullptr, "{}: the pattern '{}' is none: {}", where_, expression, words_of(error));
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // where the system lets it
  compiled_ = std::make_shared<Compiled>(std::move(code));
}

std::vector<Range> Pattern::matches(std::string_view text) const {
  const MatchContext context(pcre2_match_context_create(nullptr));
  pcre2_set_heap_limit(context.get(), most_heap);
  const MatchData data(pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
  std::vector<Range> found;
  std::int64_t last = -1;
  for (std::size_t at = 0; at <= text.size();) {
    auto match = [&](std::uint32_t options) {
      return pcre2_match(compiled_->code.get(), units(text), text.size(), at, options | PCRE2_NO_UTF_CHECK, data.get(),
                         context.get());
    };
    int status = match(0);
    if (status == PCRE2_ERROR_JIT_STACKLIMIT) status = match(PCRE2_NO_JIT);
    if (status == PCRE2_ERROR_NOMATCH) break;
    check(status > 0, "{}: its pattern cannot be searched for: {}", where_, words_of(status));
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
    check(ends[0] <= ends[1] && ends[1] <= text.size(), "{}: its pattern ends before it begins", where_);
    const Range r{std::int64_t(ends[0]), std::int64_t(ends[1])};
    if (!r.empty() || r.begin != last) found.push_back(r);
    last = r.end;
    at = ends[1];
    if (r.empty()) at += at < text.size() ? letter_bytes(text.substr(at)) : 1;
  }
  return found;
}

}  // namespace lact
