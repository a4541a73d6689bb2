#include "models/language/dataset.hpp"

#include <filesystem>

#include "base/log.hpp"
#include "files/whole_file.hpp"
#include "models/language/evaluator.hpp"

namespace lact {

TextDataset::TextDataset(const TextConfig& config, std::int64_t vocabulary, std::int64_t eval_samples,
                         std::vector<std::int64_t> needle)
    : config_(config), eval_samples_(eval_samples), needle_(std::move(needle)), corpus_(open_text(config)) {
  check(corpus_->vocabulary() <= vocabulary,
        "{} has {} different tokens ({}), and model.vocab_size={} knows fewer of them", name_of(config),
        corpus_->vocabulary(), corpus_->tokenizer().name(), vocabulary);
}

std::unique_ptr<Samples> TextDataset::samples(std::uint64_t seed, const Model&, const Mesh&) const {
  return corpus_->samples(seed);
}

std::unique_ptr<Evaluator> TextDataset::evaluator(Model& model) const {
  return std::make_unique<TextEvaluator>(dynamic_cast<LanguageModel&>(model), *corpus_, eval_samples_, config_.context,
                                         needle_);
}

namespace {
std::string record_in(const std::string& run_dir) { return run_dir + "/text.json"; }
}  // namespace

void TextDataset::check_same(const std::string& run_dir, const Path& before, bool has_steps) const {
  const std::string path = record_in(run_dir);
  if (!has_steps) return;
  if (!std::filesystem::exists(path)) {
    log::warning("{}: is not there, so nobody knows whether the run began with this text", path);
    return;
  }
  const Json record = Json::read(path, 1 << 20);
  check(record.has("fingerprint") && record["fingerprint"].is_text(), "{}: is no record of a run's text", path);
  check(record["fingerprint"].text() == corpus_->fingerprint(),
        "{}: other text, or other tokens of it, than the run in {} began with at {}", name_of(config_), run_dir,
        before.empty() ? "data.path= (generated text)" : "data.path=" + std::string(before));
}

void TextDataset::write_record(const std::string& run_dir, bool has_steps) const {
  const std::string path = record_in(run_dir);
  if (has_steps && std::filesystem::exists(path)) return;  // it says what the run began with
  write_whole(path, Json::object({{"text", corpus_->text()},
                                  {"tokenizer", corpus_->tokenizer().name()},
                                  {"fingerprint", corpus_->fingerprint()}})
                            .dump() +
                        "\n");
}

}  // namespace lact
