// Samples of text: "tokens" and "targets", both i32 [context]. The target of a token is the one behind it, -1 where
// nothing is to be predicted.
#pragma once
#include "data/sample.hpp"
#include "data/text/config.hpp"
#include "data/text/token_store.hpp"

namespace lact {

class TextSamples : public Samples {
 public:
  // Different samples there are: training goes through them in an order of its own in each epoch, without end; held-out
  // ones have the numbers below. 0 of training samples: endlessly many.
  virtual std::int64_t count() const = 0;
};

// Of tokens and their targets, one behind the other: [context + 1] tokens, of which `given` are not filling.
Sample text_sample(std::span<const std::int32_t> tokens, std::int64_t given);

// Cut from a part of a corpus. Across documents: every `context` tokens a sample begins, from a first token that each
// epoch draws where some are left over. Otherwise: so in each document from its begin, the last one filled up; a
// document of one token gives none.
class StoredSamples final : public TextSamples {
 public:
  // `seed`: samples stand in random order, another one in each epoch; without it in the order of the corpus, once.
  StoredSamples(std::shared_ptr<const TokenStore> store, Range part, const TextConfig& config, std::int32_t filling,
                std::optional<std::uint64_t> seed);

  std::int64_t count() const override { return count_; }
  Sample read(std::int64_t number, const std::stop_token& stop) const override;
  double valid(Range numbers) const override;
  FileWork reading() const override { return {"reading text of", store_->name()}; }

 private:
  Range tokens_of(std::int64_t number) const;  // those of the store that the sample reads, the last one's target too

  std::shared_ptr<const TokenStore> store_;
  Range part_;
  std::int64_t context_, count_ = 0;
  std::int32_t filling_;
  std::optional<std::uint64_t> seed_;
  std::vector<std::int64_t> ends_;     // of the part's documents, where they are not crossed
  std::vector<std::int64_t> last_of_;  // samples of all documents up to this one
};

}  // namespace lact
