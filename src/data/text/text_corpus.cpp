#include "data/text/text_corpus.hpp"

#include "base/check.hpp"
#include "data/text/generated_text.hpp"
#include "data/text/stored_text.hpp"

namespace lact {

std::string name_of(const TextConfig& config) { return config.path.empty() ? "generated text" : config.path; }

std::unique_ptr<TextCorpus> open_text(const TextConfig& config) {
  check_text(config);
  const FileWork work("reading the text of", name_of(config));
  if (config.path.empty()) {
    check(config.tokenizer.empty(),
          "data.tokenizer={}: generated text is made of bytes; leave it empty, or set data.path", config.tokenizer);
    return std::make_unique<GeneratedText>(config);
  }
  return std::make_unique<StoredText>(config);
}

std::shared_ptr<const Tokenizer> tokenizer_of(const TextConfig& config) {
  return config.path.empty() ? std::make_shared<ByteTokenizer>() : tokenizer_of_stored(config);
}

}  // namespace lact
