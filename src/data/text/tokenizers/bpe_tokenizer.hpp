// A tokenizer.json of Hugging Face's `tokenizers` whose model is BPE. Its numbers are those of the original, without
// the special tokens that a post-processor would add; what is not known is refused by its name.
#pragma once
#include <optional>
#include <unordered_map>

#include "data/text/tokenizer.hpp"
#include "data/text/tokenizers/merges.hpp"
#include "data/text/tokenizers/pieces.hpp"

namespace lact {

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(const std::string& path);
  std::string name() const override { return path_; }
  std::int64_t vocabulary() const override { return std::int64_t(names_.size()); }
  std::int32_t bos() const override { return bos_; }
  std::int32_t eos() const override { return eos_; }
  std::string fingerprint() const override { return fingerprint_; }
  // Bytes that are not UTF-8 are tokens of their own where the vocabulary has such; otherwise unknown.
  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;

  static constexpr std::int64_t max_bytes = 128 << 20, max_vocabulary = 1 << 20;

 private:
  struct Added {  // found as such in a text, with the white space on these sides
    std::string content;
    std::int32_t id = 0;
    bool left = false, right = false;
  };
  struct Part;  // of a text: an added token, or text
  void read_vocabulary(const Json& model);
  void read_merges(const Json& model);
  void read_added(const Json& list);
  void name(std::int32_t id, const std::string& token, const Json& said);
  std::int32_t id_of(const std::string& token) const;  // -1: none
  std::vector<Part> parts_of(const std::string& text, bool at_begin, const std::vector<Added>& tokens) const;
  std::vector<std::int32_t> word(const std::string& text) const;
  std::vector<std::int32_t> symbols(const std::string& text) const;
  struct Words;  // those of a text that came before
  void encode_text(Piece text, Words& words, std::vector<std::int32_t>& ids) const;

  std::string path_, fingerprint_;
  std::vector<std::optional<std::string>> names_;  // by id
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<Added> raw_, normalized_;  // the longest first
  Merges merges_;
  TextStep normalizer_, pre_tokenizer_;
  TokenStep decoder_;
  std::string prefix_, suffix_;  // of symbols inside a word, and of its last one
  std::int32_t unknown_ = -1, bos_ = -1, eos_ = -1;
  bool fuses_unknown_ = false, byte_fallback_ = false, whole_words_ = false, spaced_ = false;
};

}  // namespace lact
