// What a config's text is, opened.
#pragma once
#include "data/text/text_samples.hpp"
#include "data/text/tokenizer.hpp"

namespace lact {

// It outlives what it gives.
class TextCorpus {
 public:
  virtual ~TextCorpus() = default;
  virtual std::string text() const = 0;  // "66 documents of 4.4e+06 tokens (bytes)"
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  std::int64_t vocabulary() const { return tokenizer_->vocabulary(); }
  // To train on, without end. Fewer tokens than a sample takes are an error here.
  virtual std::unique_ptr<TextSamples> samples(std::uint64_t seed) const = 0;
  // To judge by, in the order of the corpus: none of their tokens stands in a training sample. There may be none.
  virtual std::unique_ptr<TextSamples> held_out() const = 0;
  // The same where data.path names the same text and its tokens are the same: 16 digits.
  virtual std::string fingerprint() const = 0;

 protected:
  explicit TextCorpus(std::shared_ptr<const Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {}
  std::shared_ptr<const Tokenizer> tokenizer_;
};

// All keys are checked first.
std::unique_ptr<TextCorpus> open_text(const TextConfig& config);
// What the text of a config is read with; plain text itself is not read.
std::shared_ptr<const Tokenizer> tokenizer_of(const TextConfig& config);
// "generated text", or the path: for sentences.
std::string name_of(const TextConfig& config);

}  // namespace lact
