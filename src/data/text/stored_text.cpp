#include "data/text/stored_text.hpp"

#include <cmath>
#include <filesystem>

#include "base/check.hpp"
#include "base/slow.hpp"
#include "data/text/documents.hpp"
#include "data/text/pack.hpp"
#include "data/text/token_shard.hpp"
#include "files/kind.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

bool is_shards(const Path& path) {
  return fs::is_directory(path.c_str()) ? holds_shards(path) : kind_of(path).kind == FileKind::hdf5;
}

std::shared_ptr<const Tokenizer> tokenizer_of_shards(const TextConfig& config, const TokenShard& shard) {
  Path file = config.tokenizer;
  if (file.empty() && shard.facts().tokenizer != ByteTokenizer().fingerprint()) {
    file = tokenizer_beside(fs::path(shard.path()).parent_path().string());
    check(!file.empty(), "{}: was made with the tokenizer {}, whose file is not beside it; set data.tokenizer",
          shard.path(), shard.facts().tokenizer_name);
  }
  auto tokenizer = open_tokenizer(file);
  check(tokenizer->fingerprint() == shard.facts().tokenizer && tokenizer->vocabulary() == shard.facts().vocabulary,
        "{}: was made with the tokenizer {}, not with {}", shard.path(), shard.facts().tokenizer_name,
        tokenizer->name());
  return tokenizer;
}

std::shared_ptr<const TokenStore> read_plain(const TextConfig& config, const Tokenizer& tokenizer) {
  const std::vector<TextFile> files = text_files(config.path);
  const std::int64_t all = bytes_of(files);
  check(all <= StoredText::max_plain_bytes,
        "{}: is {} bytes of text, more than the {} that are encoded when it is opened; make token shards of it with "
        "`lact "
        "convert text`",
        config.path, all, StoredText::max_plain_bytes);
  auto store = std::make_shared<TokensInMemory>(config.path);
  Slow slow("encoding bytes of text");
  std::int64_t done = 0;
  DocumentReader reader(files, config.documents);
  each_encoded(reader, tokenizer, config.threads, [&](const Document& d, const auto& tokens) {
    store->add(tokens);
    slow.at(done += std::int64_t(d.text.size()), all);
  });
  check(store->tokens() > 0, "{}: holds no text", config.path);
  return store;
}

void check_there(const Path& path) {
  check(fs::exists(path.c_str()), "{}: there is no such file or folder; data.path is token shards or plain text", path);
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_of_stored(const TextConfig& config) {
  check_there(config.path);
  if (is_shards(config.path)) return tokenizer_of_shards(config, TokenShards(config.path).shards().front());
  return open_tokenizer(config.tokenizer);
}

StoredText::StoredText(const TextConfig& config) : TextCorpus(nullptr), config_(config) {
  check_there(config.path);
  if (is_shards(config.path)) {
    auto shards = std::make_shared<TokenShards>(config.path);
    tokenizer_ = tokenizer_of_shards(config, shards->shards().front());
    store_ = std::move(shards);
  } else {
    tokenizer_ = open_tokenizer(config.tokenizer);
    store_ = read_plain(config, *tokenizer_);
  }
  const std::int64_t all = store_->tokens(), held = std::llround(double(all) * config.held_out);
  held_out_begin_ = all - held;
  if (const std::int64_t near = store_->end_near(held_out_begin_); 2 * std::abs(near - held_out_begin_) < held)
    held_out_begin_ = near;
}

std::string StoredText::text() const {
  return sentence("{} documents of {} tokens", store_->documents(), store_->tokens());
}

std::unique_ptr<TextSamples> StoredText::samples(std::uint64_t seed) const {
  auto samples =
      std::make_unique<StoredSamples>(store_, Range{0, held_out_begin_}, config_, std::max(tokenizer_->eos(), 0), seed);
  check(samples->count() > 0,
        "{}: has {} tokens to train on, too few for one sample of data.context={} and its last target", config_.path,
        held_out_begin_, config_.context);
  return samples;
}

std::unique_ptr<TextSamples> StoredText::held_out() const {
  return std::make_unique<StoredSamples>(store_, Range{held_out_begin_, store_->tokens()}, config_,
                                         std::max(tokenizer_->eos(), 0), std::nullopt);
}

}  // namespace lact
