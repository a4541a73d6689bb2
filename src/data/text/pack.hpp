// Plain text into token shards, as `lact convert text` does.
#pragma once
#include <functional>

#include "base/config.hpp"
#include "data/text/documents.hpp"

namespace lact {

struct PackConfig {
  Path path, tokenizer;
  std::string documents = "files";
  std::int64_t shard_tokens = 1 << 24, threads = 0;
  void fields(Fields& f) {
    f("path", path, "plain text: a file, or a folder with all files in it");
    f("tokenizer", tokenizer, "tokenizer.json or SentencePiece .model; empty: bytes");
    f("documents", documents, "files, paragraphs (between blank lines) or lines");
    f("shard_tokens", shard_tokens, "a shard ends with the document that reaches so many tokens");
    f("threads", threads, "that encode; 0: one for each core");
  }
};

struct Packed {
  std::int64_t shards = 0, documents = 0, tokens = 0, text_bytes = 0;
  bool was_complete = false;  // nothing was left to do
};

// Makes the shards of a text in a folder, which may be there, and puts the tokenizer's file beside them. Where shards
// of the same text, tokenizer and keys are there already they are checked and what is missing is made: who was killed
// goes on behind the last whole shard, and the tokens are the same as without. Shards of anything else, and damaged
// ones, are errors. `progress` hears how many bytes of the text are done of how many.
Packed pack_text(const PackConfig& config, const std::string& folder,
                 const std::function<void(std::int64_t done, std::int64_t all)>& progress = {});

}  // namespace lact
