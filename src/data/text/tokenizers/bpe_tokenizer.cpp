#include "data/text/tokenizers/bpe_tokenizer.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "files/checksum.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

constexpr std::size_t most_cached = 1 << 16, longest_cached = 32;

bool said(const Json& j, std::string_view key) { return j.has(key) && !j[key].is_null(); }
bool flag(const Json& j, std::string_view key) { return said(j, key) && j[key].boolean(); }
std::string word_of(const Json& j, std::string_view key) { return said(j, key) ? j[key].text() : ""; }

std::int32_t checked_id(const Json& j) {
  const std::int64_t id = j.integer();
  check(id >= 0 && id < BpeTokenizer::max_vocabulary, "{}: {} is no id of a token, which are below {}", j.where(), id,
        BpeTokenizer::max_vocabulary);
  return std::int32_t(id);
}

// "<0x0A>"
std::string name_of_byte(unsigned char b) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[b >> 4], digits[b & 15], '>'};
}

// The letter or, where there is none, the byte at a place of a text.
std::string letter_at(const std::string& text, std::size_t at) {
  return text.substr(at, std::max<std::size_t>(letter_bytes(std::string_view(text).substr(at)), 1));
}

}  // namespace

struct BpeTokenizer::Part {
  std::string text;
  std::int32_t id = -1;
  bool at_begin = false;
};

struct BpeTokenizer::Words {
  std::unordered_map<std::string, std::vector<std::int32_t>> ids;
};

BpeTokenizer::BpeTokenizer(const std::string& path) : path_(path) {
  const std::string bytes = read_text(path, max_bytes);
  fingerprint_ = checksum_text(checksum_of(bytes));
  const Json all = Json::parse(bytes, path, max_bytes);
  check(all.is_object() && said(all, "model"), "{}: is not a tokenizer.json: it has no model", path);
  const Json model = all["model"];
  const std::string type = said(model, "type")     ? model["type"].text()
                           : said(model, "merges") ? "BPE"
                                                   : "without a type";
  check(type == "BPE", "{}: its model is {}; BPE is known", path, type);
  check(!said(model, "dropout") || model["dropout"].number() == 0, "{}: model.dropout would make its tokens random",
        path);
  prefix_ = word_of(model, "continuing_subword_prefix"), suffix_ = word_of(model, "end_of_word_suffix");
  fuses_unknown_ = flag(model, "fuse_unk"), byte_fallback_ = flag(model, "byte_fallback");
  whole_words_ = flag(model, "ignore_merges");
  normalizer_ = normalizer_of(said(all, "normalizer") ? all["normalizer"] : Json());
  pre_tokenizer_ = pre_tokenizer_of(said(all, "pre_tokenizer") ? all["pre_tokenizer"] : Json());
  decoder_ = decoder_of(said(all, "decoder") ? all["decoder"] : Json());
  spaced_ = !said(all, "decoder");
  read_vocabulary(model);
  read_merges(model);
  if (said(all, "added_tokens")) read_added(all["added_tokens"]);
}

std::int32_t BpeTokenizer::id_of(const std::string& token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

// A name for an id that has none, or has that one.
void BpeTokenizer::name(std::int32_t id, const std::string& token, const Json& json) {
  if (std::size_t(id) >= names_.size()) names_.resize(std::size_t(id) + 1);
  std::optional<std::string>& known = names_[std::size_t(id)];
  check(!known || *known == token, "{}: token {} is '{}' and '{}'", json.where(), id, known.value_or(""), token);
  const auto [at, is_new] = ids_.try_emplace(token, id);
  check(is_new || at->second == id, "{}: '{}' is token {} and {}", json.where(), token, at->second, id);
  known = token;
}

void BpeTokenizer::read_vocabulary(const Json& model) {
  for (const auto& [token, id] : model["vocab"].members()) name(checked_id(id), token, id);
  check(!names_.empty(), "{}: its vocabulary is empty", path_);
  if (const std::string unknown = word_of(model, "unk_token"); !unknown.empty()) {
    unknown_ = id_of(unknown);
    check(unknown_ >= 0, "{}: model.unk_token '{}' is not in its vocabulary", path_, unknown);
  }
}

void BpeTokenizer::read_merges(const Json& model) {
  for (const Json& m : model["merges"].items()) {
    std::string left, right;
    if (m.is_text()) {
      const std::string both = m.text();
      const std::size_t blank = both.find(' ');
      check(blank != both.npos && both.find(' ', blank + 1) == both.npos, "{}: '{}' is not two symbols", m.where(),
            both);
      left = both.substr(0, blank), right = both.substr(blank + 1);
    } else {
      check(m.is_array() && m.size() == 2, "{}: a merge is two symbols", m.where());
      left = m.at(0).text(), right = m.at(1).text();
    }
    const bool continues = !prefix_.empty() && right.starts_with(prefix_);
    const std::string whole = left + (continues ? right.substr(prefix_.size()) : right);
    for (const std::string& token : {left, right, whole})
      check(id_of(token) >= 0, "{}: '{}' is not in the vocabulary", m.where(), token);
    merges_.add(id_of(left), id_of(right), id_of(whole));
  }
}

void BpeTokenizer::read_added(const Json& list) {
  for (const Json& j : list.items()) {
    const Added token{j["content"].text(), checked_id(j["id"]), flag(j, "lstrip"), flag(j, "rstrip")};
    check(!flag(j, "single_word"), "{}: added tokens that are single words are not known", j.where());
    name(token.id, token.content, j);
    const bool normalized = said(j, "normalized") ? flag(j, "normalized") : !flag(j, "special");
    if (token.content.empty()) continue;
    if (!normalized) {
      raw_.push_back(token);
      continue;
    }
    Pieces content{{token.content, true}};
    normalizer_(content);
    if (!content.empty()) normalized_.push_back({content[0].text, token.id, token.left, token.right});
  }
  for (std::vector<Added>* tokens : {&raw_, &normalized_})
    std::ranges::stable_sort(*tokens, std::greater(), [](const Added& a) { return a.content.size(); });
  auto first_of = [&](std::initializer_list<const char*> names) {
    for (const char* n : names)
      if (std::ranges::any_of(list.items(), [&](const Json& j) { return j["content"].text() == n; })) return id_of(n);
    return -1;
  };
  bos_ = first_of({"<|begin_of_text|>", "<s>", "<bos>", "[BOS]"});
  eos_ = first_of({"<|end_of_text|>", "</s>", "<|endoftext|>", "<eos>", "[EOS]"});
}

// The leftmost added token first, of several at one place the longest.
std::vector<BpeTokenizer::Part> BpeTokenizer::parts_of(const std::string& text, bool at_begin,
                                                       const std::vector<Added>& tokens) const {
  std::vector<Part> parts;
  std::size_t done = 0;
  std::array<bool, 256> begins{};
  for (const Added& a : tokens) begins[std::uint8_t(a.content[0])] = true;
  auto add_text = [&](std::size_t end) {
    if (done < end) parts.push_back({text.substr(done, end - done), -1, at_begin && done == 0});
  };
  for (std::size_t at = 0; at < text.size();) {
    const Added* found = nullptr;
    if (begins[std::uint8_t(text[at])])
      for (const Added& a : tokens)
        if (text.compare(at, a.content.size(), a.content) == 0) {
          found = &a;
          break;
        }
    if (found == nullptr) {
      ++at;
      continue;
    }
    const std::string_view all(text);
    const std::size_t begin = at - (found->left ? white_end(all.substr(done, at - done)) : 0);
    at += found->content.size();
    if (found->right) at += white_begin(all.substr(at));
    add_text(begin);
    parts.push_back({"", found->id, false});
    done = at;
  }
  add_text(text.size());
  return parts;
}

// The letters of a word, or what stands for those that are in no vocabulary.
std::vector<std::int32_t> BpeTokenizer::symbols(const std::string& text) const {
  std::vector<std::int32_t> all;
  bool unknown_before = false;
  for (std::size_t at = 0; at < text.size();) {
    std::string letter = letter_at(text, at);
    const std::size_t end = at + letter.size();
    if (at > 0) letter = prefix_ + letter;
    if (end == text.size()) letter += suffix_;
    at = end;
    if (const std::int32_t id = id_of(letter); id >= 0) {
      all.push_back(id);
      unknown_before = false;
      continue;
    }
    std::vector<std::int32_t> bytes;
    for (unsigned char b : letter)
      if (const std::int32_t id = byte_fallback_ ? id_of(name_of_byte(b)) : -1; id >= 0) bytes.push_back(id);
    if (byte_fallback_ && bytes.size() == letter.size()) {
      all.insert(all.end(), bytes.begin(), bytes.end());
      unknown_before = false;
    } else if (unknown_ >= 0) {
      if (!unknown_before || !fuses_unknown_) all.push_back(unknown_);
      unknown_before = true;
    }
  }
  return all;
}

std::vector<std::int32_t> BpeTokenizer::word(const std::string& text) const {
  if (whole_words_)
    if (const std::int32_t id = id_of(text); id >= 0) return {id};
  std::vector<std::int32_t> all = symbols(text);
  merges_.merge(all);
  return all;
}

void BpeTokenizer::encode_text(Piece text, Words& words, std::vector<std::int32_t>& ids) const {
  Pieces pieces{std::move(text)};
  pre_tokenizer_(pieces);
  for (const Piece& p : pieces) {
    const auto known = words.ids.find(p.text);
    if (known != words.ids.end()) {
      ids.insert(ids.end(), known->second.begin(), known->second.end());
      continue;
    }
    const std::vector<std::int32_t> its = word(p.text);
    ids.insert(ids.end(), its.begin(), its.end());
    if (p.text.size() <= longest_cached && words.ids.size() < most_cached) words.ids[p.text] = its;
  }
}

std::vector<std::int32_t> BpeTokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  Words words;
  for (Part& part : parts_of(std::string(text), true, raw_)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    Pieces normal{{std::move(part.text), part.at_begin}};
    normalizer_(normal);
    for (const Piece& p : normal)
      for (Part& inner : parts_of(p.text, p.at_begin, normalized_)) {
        if (inner.id >= 0)
          ids.push_back(inner.id);
        else
          encode_text({std::move(inner.text), inner.at_begin}, words, ids);
      }
  }
  return ids;
}

std::string BpeTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::vector<std::string> names;
  for (const std::int32_t id : ids) {
    check_id(id);
    if (names_[std::size_t(id)]) names.push_back(*names_[std::size_t(id)]);
  }
  decoder_(names);
  std::string text;
  for (const std::string& n : names) text += (spaced_ && !text.empty() ? " " : "") + n;
  return text;
}

}  // namespace lact
