// Tokens in files: HDF5 with the datasets "tokens" i32 [tokens] and "document_ends" i32 [documents], and attributes
// that say which tokenizer made them, how large its vocabulary is, what checksums the numbers have, and where in the
// text they end. A corpus is a folder of them, shard_00000.h5 and so on, and the tokenizer's file, where it has one.
#pragma once
#include "data/text/documents.hpp"
#include "data/text/token_store.hpp"

namespace lact {

struct ShardFacts {
  std::string tokenizer, tokenizer_name, source;  // fingerprints of the tokenizer and of the text, see pack.hpp
  std::int64_t vocabulary = 0, shard = 0, text_bytes = 0;
  TextPlace next;     // where the text of the next shard begins
  bool last = false;  // there is none
};

std::string shard_path(const std::string& folder, std::int64_t shard);
bool holds_shards(const std::string& folder);
bool is_token_shard(const std::string& path);  // of an HDF5 file
void write_shard(const std::string& path, const ShardFacts& facts, const std::vector<std::int32_t>& tokens,
                 const std::vector<std::int32_t>& document_ends);

class TokenShard {
 public:
  // Looks at all but the tokens. A file that is no shard, or whose parts contradict each other, is an error.
  explicit TokenShard(const std::string& path);
  const std::string& path() const { return path_; }
  const ShardFacts& facts() const { return facts_; }
  std::int64_t tokens() const { return tokens_; }
  std::int64_t documents() const { return documents_; }
  const std::string& checksum() const { return checksum_; }  // of its tokens
  std::vector<std::int32_t> ends() const;
  void read(Range tokens, std::int32_t* to) const;
  void verify() const;  // reads everything; an error where the checksums are others

 private:
  std::string path_, checksum_, ends_checksum_;
  ShardFacts facts_;
  std::int64_t tokens_ = 0, documents_ = 0, tokens_at_ = 0, ends_at_ = 0;
};

// Those of a folder, or one alone. One tokenizer has made all; none may be missing.
class TokenShards final : public TokenStore {
 public:
  explicit TokenShards(const std::string& path);
  std::string name() const override { return path_; }
  std::int64_t tokens() const override { return begins_.back(); }
  std::int64_t documents() const override;
  std::vector<std::int64_t> ends() const override;
  std::int64_t end_near(std::int64_t token) const override;
  void read(Range tokens, std::int32_t* to) const override;
  std::string checksum() const override;
  const std::vector<TokenShard>& shards() const { return shards_; }

 private:
  std::size_t shard_of(std::int64_t token) const;
  std::string path_;
  std::vector<TokenShard> shards_;
  std::vector<std::int64_t> begins_;  // of each in the corpus, and the end of the last
};

}  // namespace lact
