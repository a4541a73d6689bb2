// Text without a download, a function of a seed and a number: sentences of a small language whose words follow each
// other with known probabilities, and between them facts, "[kqa=xz] ", each stated once and asked once later,
// "[kqa?xz] ". A key stands for a value in one sample alone, so a model can only answer with what it remembers of it.
#pragma once
#include <array>

#include "data/text/text_corpus.hpp"

namespace lact {

// Targets that spell the value of a fact, which was stated so many tokens before.
struct Answer {
  Range targets;
  std::int64_t distance = 0;
  bool operator==(const Answer&) const = default;
};

struct AnsweredSample {
  Sample sample;
  std::vector<Answer> answers;  // in their order
};

// The words of the language and which follow which.
class GeneratedLanguage {
 public:
  GeneratedLanguage(std::uint64_t seed, std::int64_t words);
  const std::string& word(std::int64_t w) const { return words_[std::size_t(w)]; }
  std::int64_t words() const { return std::int64_t(words_.size()); }
  // Nine times of ten one of four words, in the ratio 4 to 3 to 2 to 1; else any. `drawn` is of [0, 1).
  std::int64_t next(std::int64_t w, double drawn) const;

 private:
  std::vector<std::string> words_;
  std::vector<std::array<std::int64_t, 4>> followers_;
};

class GeneratedText final : public TextCorpus {
 public:
  explicit GeneratedText(const TextConfig& config);
  std::string text() const override { return "generated text"; }
  std::unique_ptr<TextSamples> samples(std::uint64_t seed) const override;
  std::unique_ptr<TextSamples> held_out() const override;
  std::string fingerprint() const override;

  // The held-out sample of that number, with the places and distances of its answers. Distances are spread evenly over
  // their logarithm, from 16 tokens to as many as the sample has room for.
  AnsweredSample held_out_answers(std::int64_t number) const;
  // One fact in `context` tokens of running text, asked at their end so many tokens later. All other targets are -1.
  AnsweredSample needle(std::int64_t context, std::int64_t distance, std::int64_t number) const;

 private:
  TextConfig config_;
  std::shared_ptr<const GeneratedLanguage> language_;
};

}  // namespace lact
