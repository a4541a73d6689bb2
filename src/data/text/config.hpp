// The keys below `data` of a task that learns text.
#pragma once
#include "base/config.hpp"

namespace lact {

struct GeneratedTextConfig {
  std::int64_t seed = 0, words = 64, facts = 12, held_out = 32;
  void fields(Fields& f) {
    f("seed", seed, "another generated language");
    f("words", words, "of the generated language");
    f("facts", facts, "keys with values in 1024 tokens of generated text, each stated once and asked once");
    f("held_out", held_out, "generated samples that no training sets see");
  }
};

struct TextConfig {
  Path path, tokenizer;
  std::int64_t context = 1024, threads = 1;
  std::string documents = "files";
  bool cross_documents = true;
  double held_out = 0.05;
  GeneratedTextConfig generated;

  void fields(Fields& f) {
    f("path", path,
      "token shards (`lact convert text`), one or a folder of them, or plain text, a file or a folder; empty: "
      "generated "
      "text");
    f("tokenizer", tokenizer, "tokenizer.json or SentencePiece .model; empty: that of the shards, else bytes");
    f("context", context, "tokens of a sample");
    f("documents", documents, "of plain text: files, paragraphs (between blank lines) or lines");
    f("cross_documents", cross_documents,
      "samples go on in the next document; otherwise each holds tokens of one document, and none behind its end");
    f("held_out", held_out, "share of the tokens, at the end of the corpus, that no training sample contains");
    f("threads", threads, "threads that prepare samples ahead; 0 prepares them when asked");
    f.section("generated", generated);
  }
};

// Refuses values that fit no data at all.
void check_text(const TextConfig& config);

}  // namespace lact
