#include "data/text/tokenizers/pieces.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "data/text/tokenizers/byte_letters.hpp"
#include "data/text/tokenizers/normal_form.hpp"
#include "data/text/tokenizers/pattern.hpp"

namespace lact {
namespace {

constexpr std::int64_t most_steps = 64;
constexpr std::size_t most_text = 256;  // bytes of a text that is put in

constexpr std::string_view white_letters[] = {"\t",     "\n",     "\v",     "\f",     "\r",     " ",      "\xc2\x85",
                                              "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004",
                                              "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a", "\u2028",
                                              "\u2029", "\u202f", "\u205f", "\u3000"};

std::string type_of(const Json& j) { return j["type"].text(); }

bool flag(const Json& j, std::string_view key, bool otherwise) {
  return j.has(key) && !j[key].is_null() ? j[key].boolean() : otherwise;
}

std::string short_text(const Json& j) {
  std::string text = j.text();
  check(text.size() <= most_text, "{}: has {} bytes, more than {}", j.where(), text.size(), most_text);
  return text;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t found = text.find(from, at);
    out += text.substr(at, found - at);
    if (found == text.npos) return out;
    out += to;
    at = found + from.size();
  }
}

// All steps of a sequence, each made by `make`.
template <class Step>
std::vector<Step> steps_of(const Json& list, Step (*make)(const Json&)) {
  check(list.size() <= most_steps, "{}: has {} steps, more than {}", list.where(), list.size(), most_steps);
  std::vector<Step> steps;
  for (const Json& j : list.items()) steps.push_back(make(j));
  return steps;
}

template <class Step, class T>
Step sequence(std::vector<Step> steps) {
  return [steps = std::move(steps)](T& x) {
    for (const Step& s : steps) s(x);
  };
}

// --- Cutting ---

struct Cut {
  Range bytes;
  bool match = false;
};

using CutOut = std::function<std::vector<Range>(std::string_view)>;  // the matches in a text that is UTF-8

std::vector<Cut> cuts(std::string_view text, const std::vector<Range>& matches, bool invert) {
  std::vector<Cut> all;
  std::int64_t at = 0;
  for (const Range& m : matches) {
    if (at < m.begin) all.push_back({{at, m.begin}, invert});
    all.push_back({m, !invert});
    at = m.end;
  }
  if (at < std::int64_t(text.size())) all.push_back({{at, std::int64_t(text.size())}, invert});
  return all;
}

// Neighbours that `joins` says belong together become one. It sees the cut before, as it was, and the next.
template <class Joins>
std::vector<Cut> joined(const std::vector<Cut>& all, Joins joins) {
  std::vector<Cut> out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0 && joins(i))
      out.back().bytes.end = all[i].bytes.end;
    else
      out.push_back(all[i]);
  }
  return out;
}

enum class Keep { isolated, removed, with_previous, with_next, contiguous };

std::vector<Cut> kept(std::vector<Cut> all, Keep keep) {
  auto match = [&](std::size_t i) { return all[i].match; };
  // In a row of matches the first, seen from the text that they are merged with, is merged.
  if (keep == Keep::with_previous) return joined(all, [&](std::size_t i) { return match(i) && !match(i - 1); });
  if (keep == Keep::with_next) return joined(all, [&](std::size_t i) { return match(i - 1) && !match(i); });
  if (keep == Keep::contiguous) return joined(all, [&](std::size_t i) { return match(i) == match(i - 1); });
  if (keep == Keep::removed) std::erase_if(all, [](const Cut& c) { return c.match; });
  return all;
}

// Bytes that are not UTF-8 are pieces of their own, which nothing cuts or removes.
void cut_runs(std::string_view text, const std::function<void(std::string_view run, bool is_text)>& take) {
  while (!text.empty()) {
    std::size_t n = 0;
    for (std::size_t more; n < text.size() && (more = letter_bytes(text.substr(n))) > 0;) n += more;
    if (n > 0) take(text.substr(0, n), true);
    text.remove_prefix(n);
    for (n = 0; n < text.size() && letter_bytes(text.substr(n)) == 0;) ++n;
    if (n > 0) take(text.substr(0, n), false);
    text.remove_prefix(n);
  }
}

TextStep cutting(CutOut find, Keep keep, bool invert = false) {
  return [=](Pieces& pieces) {
    Pieces out;
    for (const Piece& p : pieces) {
      cut_runs(p.text, [&](std::string_view run, bool is_text) {
        const std::int64_t before = run.data() - p.text.data();
        auto add = [&](Range r) {
          if (!r.empty())
            out.push_back({std::string(run.substr(std::size_t(r.begin), std::size_t(r.size()))),
                           p.at_begin && before + r.begin == 0});
        };
        if (!is_text) return add({0, std::int64_t(run.size())});
        for (const Cut& c : kept(cuts(run, find(run), invert), keep)) add(c.bytes);
      });
    }
    pieces = std::move(out);
  };
}

CutOut finding(const std::string& expression, const std::string& where) {
  return [p = Pattern(expression, where)](std::string_view text) { return p.matches(text); };
}

CutOut finding_text(const std::string& text) {
  return [text](std::string_view in) {
    std::vector<Range> found;
    for (std::size_t at = 0; (at = in.find(text, at)) != in.npos; at += text.size())
      found.push_back({std::int64_t(at), std::int64_t(at + text.size())});
    return found;
  };
}

// {"String": "..."} or {"Regex": "..."}
CutOut finding(const Json& pattern) {
  if (pattern.has("Regex")) return finding(pattern["Regex"].text(), pattern.where());
  const std::string text = short_text(pattern["String"]);
  check(!text.empty(), "{}: an empty text stands everywhere", pattern.where());
  return finding_text(text);
}

TextStep split(const Json& j) {
  const std::string behaviour = j["behavior"].text();
  constexpr std::array names = {std::pair("Isolated", Keep::isolated), std::pair("Removed", Keep::removed),
                                std::pair("MergedWithPrevious", Keep::with_previous),
                                std::pair("MergedWithNext", Keep::with_next),
                                std::pair("Contiguous", Keep::contiguous)};
  for (const auto& [name, keep] : names)
    if (behaviour == name) return cutting(finding(j["pattern"]), keep, flag(j, "invert", false));
  fail("{}: the behavior '{}' is not known", j.where(), behaviour);
}

TextStep byte_level(const Json& j) {
  constexpr const char* gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  TextStep cut;
  if (flag(j, "use_regex", true)) cut = cutting(finding(gpt2, j.where()), Keep::isolated);
  return [cut, prefix = flag(j, "add_prefix_space", true)](Pieces& pieces) {
    for (Piece& p : pieces)
      if (prefix && !p.text.starts_with(' ')) p.text.insert(0, 1, ' ');
    if (cut) cut(pieces);
    for (Piece& p : pieces) p.text = letters_of_bytes(p.text);
  };
}

TextStep metaspace(const Json& j) {
  const std::string mark = short_text(j["replacement"]);
  check(letter_bytes(mark + " ") == mark.size(), "{}: replacement '{}' is not one letter", j.where(), mark);
  std::string scheme = "always";
  if (j.has("prepend_scheme"))
    scheme = j["prepend_scheme"].text();
  else if (!flag(j, "add_prefix_space", true))
    scheme = "never";
  check(scheme == "always" || scheme == "first" || scheme == "never", "{}: prepend_scheme '{}' is not known", j.where(),
        scheme);
  TextStep cut;
  if (flag(j, "split", true)) cut = cutting(finding_text(mark), Keep::with_next);
  return [=](Pieces& pieces) {
    for (Piece& p : pieces) {
      p.text = replaced(p.text, " ", mark);
      if (scheme != "never" && (scheme == "always" || p.at_begin) && !p.text.starts_with(mark)) p.text.insert(0, mark);
    }
    if (cut) cut(pieces);
  };
}

TextStep digits(const Json& j) {
  const bool single = flag(j, "individual_digits", false);
  return cutting(finding("\\p{N}", j.where()), single ? Keep::isolated : Keep::contiguous);
}

// --- Putting together ---

// "<0x0A>" as its byte.
std::string byte_of_fallback(const std::string& name) {
  auto value = [&](std::size_t i) { return std::string_view("0123456789ABCDEF").find(name[i]); };
  const bool is_byte = name.size() == 6 && name.starts_with("<0x") && name[5] == '>' && value(3) < 16 && value(4) < 16;
  return is_byte ? std::string(1, char(value(3) * 16 + value(4))) : name;
}

TokenStep each_token(std::function<std::string(const std::string& name, bool first)> change) {
  return [=](std::vector<std::string>& names) {
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = change(names[i], i == 0);
  };
}

TokenStep metaspace_decoder(const Json& j) {
  const std::string mark = short_text(j["replacement"]);
  check(!mark.empty(), "{}: replacement is empty", j.where());
  const bool prefix =
      j.has("prepend_scheme") ? j["prepend_scheme"].text() != "never" : flag(j, "add_prefix_space", true);
  return each_token(
      [=](const std::string& name, bool first) { return replaced(name, mark, first && prefix ? "" : " "); });
}

TokenStep strip_decoder(const Json& j) {
  const std::string content = short_text(j["content"]);
  const std::int64_t start = j["start"].integer(), stop = j["stop"].integer();
  check(!content.empty(), "{}: content is empty", j.where());
  return each_token([=](std::string name, bool) {
    for (std::int64_t i = 0; i < start && name.starts_with(content); ++i) name.erase(0, content.size());
    for (std::int64_t i = 0; i < stop && name.ends_with(content); ++i) name.resize(name.size() - content.size());
    return name;
  });
}

TokenStep replace_decoder(const Json& j) {
  check(j["pattern"].has("String"), "{}: only texts are replaced, no patterns", j.where());
  const std::string from = short_text(j["pattern"]["String"]), to = short_text(j["content"]);
  check(!from.empty(), "{}: an empty text stands everywhere", j.where());
  return each_token([=](const std::string& name, bool) { return replaced(name, from, to); });
}

}  // namespace

TextStep normalizer_of(const Json& j) {
  if (j.is_null()) return [](Pieces&) {};
  const std::string type = type_of(j);
  if (type == "Sequence") return sequence<TextStep, Pieces>(steps_of(j["normalizers"], normalizer_of));
  if (type == "Prepend")
    return [mark = short_text(j["prepend"])](Pieces& pieces) {
      for (Piece& p : pieces) p.text.insert(0, mark);
    };
  if (type == "NFC")
    return [](Pieces& pieces) {
      for (Piece& p : pieces) p.text = composed_form(p.text);
    };
  check(type == "Replace", "{}: the normalizer {} is not known; NFC, Prepend, Replace and Sequence are", j.where(),
        type);
  check(j["pattern"].has("String"), "{}: only texts are replaced, no patterns", j.where());
  const std::string from = short_text(j["pattern"]["String"]), to = short_text(j["content"]);
  check(!from.empty(), "{}: an empty text stands everywhere", j.where());
  return [=](Pieces& pieces) {
    for (Piece& p : pieces) p.text = replaced(p.text, from, to);
    std::erase_if(pieces, [](const Piece& p) { return p.text.empty(); });
  };
}

TextStep pre_tokenizer_of(const Json& j) {
  if (j.is_null()) return [](Pieces&) {};
  const std::string type = type_of(j);
  if (type == "Sequence") return sequence<TextStep, Pieces>(steps_of(j["pretokenizers"], pre_tokenizer_of));
  if (type == "ByteLevel") return byte_level(j);
  if (type == "Split") return split(j);
  if (type == "Digits") return digits(j);
  check(type == "Metaspace",
        "{}: the pre-tokenizer {} is not known; ByteLevel, Digits, Metaspace, Sequence and Split are", j.where(), type);
  return metaspace(j);
}

TokenStep decoder_of(const Json& j) {
  if (j.is_null()) return [](std::vector<std::string>&) {};
  const std::string type = type_of(j);
  if (type == "Sequence") return sequence<TokenStep, std::vector<std::string>>(steps_of(j["decoders"], decoder_of));
  if (type == "ByteLevel") return each_token([](const std::string& name, bool) { return bytes_of_letters(name); });
  if (type == "ByteFallback") return each_token([](const std::string& name, bool) { return byte_of_fallback(name); });
  if (type == "Metaspace") return metaspace_decoder(j);
  if (type == "Strip") return strip_decoder(j);
  if (type == "Replace") return replace_decoder(j);
  check(type == "Fuse",
        "{}: the decoder {} is not known; ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence and Strip are",
        j.where(), type);
  return [](std::vector<std::string>& names) {
    std::string all;
    for (const std::string& name : names) all += name;
    names = {std::move(all)};
  };
}

std::size_t white_begin(std::string_view text) {
  std::size_t n = 0;
  for (std::size_t more = 1; more > 0; n += more) {
    more = 0;
    for (const std::string_view w : white_letters)
      if (text.substr(n).starts_with(w)) more = w.size();
  }
  return n;
}

std::size_t white_end(std::string_view text) {
  std::size_t n = 0;
  for (std::size_t more = 1; more > 0; n += more) {
    more = 0;
    for (const std::string_view w : white_letters)
      if (text.substr(0, text.size() - n).ends_with(w)) more = w.size();
  }
  return n;
}

}  // namespace lact
