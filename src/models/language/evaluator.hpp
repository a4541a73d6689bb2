// How well a language model predicts held-out text: per-token loss by position in the context (the measure of LaCT,
// arXiv 2505.23884, section 6.2: it falls where context is used), and in generated text how many of the facts that were
// stated earlier it recalls, by distance.
#pragma once
#include "data/text/generated_text.hpp"
#include "models/language/model.hpp"
#include "models/task.hpp"

namespace lact {

class TextEvaluator final : public Evaluator {
 public:
  // `samples`: how many held-out ones of `context` tokens are read, evenly spread; 0: all.
  // `needle`: lengths of texts with one fact each, of generated text (needles.hpp).
  TextEvaluator(LanguageModel& model, const TextCorpus& corpus, std::int64_t samples, std::int64_t context,
                std::vector<std::int64_t> needle = {});
  std::string judged() const override { return "held-out text"; }
  std::string why_none() const override { return numbers_.empty() ? "no text is held out (data.held_out)" : ""; }
  std::string mend() const override {
    return generated_ != nullptr ? "set data.generated.held_out" : "set data.held_out, or use a longer text";
  }
  Evaluation evaluate(Ctx& c) override;

 private:
  AnsweredSample read(std::int64_t number) const;
  std::vector<AnsweredSample> read_together(Range places, Communicator& world) const;

  LanguageModel& model_;
  std::unique_ptr<TextSamples> held_out_;
  const GeneratedText* generated_;  // none: other text
  std::int64_t context_;
  std::vector<std::int64_t> numbers_, needle_;
};

}  // namespace lact
