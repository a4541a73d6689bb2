// Text as the data of a run.
#pragma once
#include "data/text/text_corpus.hpp"
#include "models/task.hpp"

namespace lact {

class TextDataset final : public Dataset {
 public:
  // Opens the text, whose tokens must be among `vocabulary`.
  TextDataset(const TextConfig& config, std::int64_t vocabulary, std::int64_t eval_samples,
              std::vector<std::int64_t> needle = {});
  const TextCorpus& corpus() const { return *corpus_; }

  std::string text() const override { return corpus_->text(); }
  std::unique_ptr<Samples> samples(std::uint64_t seed, const Model& model, const Mesh& mesh) const override;
  std::unique_ptr<Evaluator> evaluator(Model& model) const override;
  void check_same(const std::string& run_dir, const Path& before, bool has_steps) const override;
  void write_record(const std::string& run_dir, bool has_steps) const override;  // text.json

 private:
  TextConfig config_;
  std::int64_t eval_samples_;
  std::vector<std::int64_t> needle_;
  std::unique_ptr<TextCorpus> corpus_;
};

}  // namespace lact
