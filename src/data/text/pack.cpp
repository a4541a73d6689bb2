#include "data/text/pack.hpp"

#include <algorithm>
#include <filesystem>

#include "base/check.hpp"
#include "base/cores.hpp"
#include "data/text/token_shard.hpp"
#include "data/text/tokenizers/bpe_tokenizer.hpp"
#include "data/text/tokenizers/sentence_piece_tokenizer.hpp"
#include "files/checksum.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

void check_pack(const PackConfig& c) {
  check(!c.path.empty(), "path= is missing: which text is converted?");
  check_documents(c.documents, "documents");
  check(c.shard_tokens >= 1 && c.shard_tokens <= 1 << 30, "shard_tokens is {}; a shard has 1 to {} tokens",
        c.shard_tokens, 1 << 30);
  check(c.threads >= 0 && c.threads <= 256, "threads is {}; between 0 and 256 can encode", c.threads);
}

// Which text this is and how it is cut: names and sizes of its files, and the keys.
std::string source_of(const PackConfig& config, const std::vector<TextFile>& files) {
  std::string all = sentence("{} {}\n", config.documents, config.shard_tokens);
  for (const TextFile& f : files)
    all += std::to_string(f.bytes) + " " + fs::path(f.path).lexically_relative(config.path.c_str()).string() + "\n";
  return checksum_text(checksum_of(all));
}

// Beside the shards, under the name that says which kind it is.
void keep_tokenizer(const std::string& from, const std::string& folder) {
  const std::string bytes = read_text(from, std::max(BpeTokenizer::max_bytes, SentencePieceTokenizer::max_bytes));
  write_whole(folder + (begins_json(bytes) ? "/tokenizer.json" : "/tokenizer.model"), bytes);
}

class Packing {
 public:
  Packing(const PackConfig& config, const std::string& folder)
      : config_(config),
        folder_(folder),
        files_(text_files(config.path)),
        tokenizer_(open_tokenizer(config.tokenizer)) {
    facts_.tokenizer = tokenizer_->fingerprint();
    facts_.tokenizer_name = fs::path(tokenizer_->name()).filename().string();
    facts_.vocabulary = tokenizer_->vocabulary();
    facts_.source = source_of(config, files_);
  }

  Packed run(const std::function<void(std::int64_t, std::int64_t)>& progress) {
    take_over();
    if (packed_.was_complete) return packed_;
    if (!config_.tokenizer.empty() && tokenizer_beside(folder_).empty()) keep_tokenizer(tokenizer_->name(), folder_);
    const std::int64_t all = bytes_of(files_);
    std::int64_t file = 0, before = 0;  // bytes of the files before the one that is read
    DocumentReader reader(files_, config_.documents, facts_.next);
    const auto threads = config_.threads > 0 ? config_.threads : std::int64_t(usable_threads().size());
    each_encoded(reader, *tokenizer_, threads, [&](const Document& d, const std::vector<std::int32_t>& tokens) {
      if (std::int64_t(tokens_.size()) >= config_.shard_tokens) write(false);
      add(d, tokens);
      for (; file < d.next.file; ++file) before += files_[std::size_t(file)].bytes;
      if (progress) progress(before + d.next.byte, all);
    });
    check(!tokens_.empty(), "{}: holds no text", config_.path);
    write(true);
    return packed_;
  }

 private:
  // What is there already, checked.
  void take_over() {
    for (; fs::exists(shard_path(folder_, facts_.shard)); ++facts_.shard) {
      const TokenShard shard(shard_path(folder_, facts_.shard));
      const ShardFacts& its = shard.facts();
      check(its.tokenizer == facts_.tokenizer && its.source == facts_.source && its.shard == facts_.shard,
            "{}: is of another text, or made with other keys; take a new folder", shard.path());
      shard.verify();
      count(shard.documents(), shard.tokens(), its.text_bytes);
      facts_.next = its.next;
      packed_.was_complete = its.last;
      check(facts_.next.file < std::int64_t(files_.size()), "{}: is damaged: it ends behind the text", shard.path());
    }
    check(facts_.shard > 0 || !holds_shards(folder_), "{}: holds shards, but not the first; take a new folder",
          folder_);
  }

  void add(const Document& d, const std::vector<std::int32_t>& tokens) {
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    ends_.push_back(std::int32_t(tokens_.size()));
    facts_.text_bytes += std::int64_t(d.text.size());
    facts_.next = d.next;
  }

  void write(bool last) {
    facts_.last = last;
    write_shard(shard_path(folder_, facts_.shard), facts_, tokens_, ends_);
    count(std::int64_t(ends_.size()), std::int64_t(tokens_.size()), facts_.text_bytes);
    ++facts_.shard;
    facts_.text_bytes = 0;
    tokens_.clear();
    ends_.clear();
  }

  void count(std::int64_t documents, std::int64_t tokens, std::int64_t bytes) {
    ++packed_.shards;
    packed_.documents += documents;
    packed_.tokens += tokens;
    packed_.text_bytes += bytes;
  }

  const PackConfig& config_;
  const std::string& folder_;
  std::vector<TextFile> files_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  ShardFacts facts_;  // of the shard that is being made
  std::vector<std::int32_t> tokens_, ends_;
  Packed packed_;
};

}  // namespace

Packed pack_text(const PackConfig& config, const std::string& folder,
                 const std::function<void(std::int64_t, std::int64_t)>& progress) {
  check_pack(config);
  const fs::path way = fs::weakly_canonical(folder).lexically_relative(fs::weakly_canonical(config.path.c_str()));
  check(way.empty() || *way.begin() == "..", "{}: lies in the text that is converted, {}; take a folder outside",
        folder, config.path);
  Packing packing(config, folder);  // wrong input makes no folder
  std::error_code error;
  fs::create_directories(folder, error);
  check(!error, "{}: cannot be made ({})", folder, error.message());
  const FolderLock lock(folder);
  return packing.run(progress);
}

}  // namespace lact
