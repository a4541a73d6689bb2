// A corpus in files: token shards, or plain text, which is encoded when it is opened.
#pragma once
#include "data/text/text_corpus.hpp"

namespace lact {

class StoredText final : public TextCorpus {
 public:
  explicit StoredText(const TextConfig& config);
  std::string text() const override;
  std::unique_ptr<TextSamples> samples(std::uint64_t seed) const override;
  std::unique_ptr<TextSamples> held_out() const override;
  std::string fingerprint() const override { return store_->checksum(); }
  const TokenStore& store() const { return *store_; }
  // What is held out begins there: where the share says, or at the end of a document that is nearer than half of it.
  std::int64_t held_out_begin() const { return held_out_begin_; }

  static constexpr std::int64_t max_plain_bytes = std::int64_t(1) << 30;

 private:
  TextConfig config_;
  std::shared_ptr<const TokenStore> store_;
  std::int64_t held_out_begin_ = 0;
};

// Without reading the text.
std::shared_ptr<const Tokenizer> tokenizer_of_stored(const TextConfig& config);

}  // namespace lact
