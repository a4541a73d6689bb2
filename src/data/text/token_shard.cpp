#include "data/text/token_shard.hpp"

#include <algorithm>
#include <filesystem>

#include "base/check.hpp"
#include "base/file_work.hpp"
#include "base/slow.hpp"
#include "files/checksum.hpp"
#include "files/hdf5.hpp"
#include "files/kind.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t version = 1, piece = 1 << 18;  // tokens that are read at once
constexpr const char *mark = "lact_tokens", *tokens_name = "tokens", *ends_name = "document_ends";

std::string_view bytes_of(const std::vector<std::int32_t>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(std::int32_t)};
}

void put(Hdf5File& file, const std::string& name, const std::vector<std::int32_t>& numbers) {
  const auto cpu = Device::open(Backend::cpu);
  file.put(name, Tensor::of(*cpu, {std::int64_t(numbers.size())}, std::span(numbers)));
  file.set_attribute("xxh3", checksum_text(checksum_of(bytes_of(numbers))), name);
}

std::int64_t length_of(const Hdf5File& file, const std::string& name) {
  const Hdf5File::Info i = file.info(name);
  check(i.dtype == DType::i32 && i.shape.size() == 1, "{}: dataset '{}' is not a list of i32", file.path(), name);
  check(i.shape[0] > 0, "{}: dataset '{}' is empty", file.path(), name);
  return i.shape[0];
}

// Numbers [begin, end) of those that begin at a place of a file.
void read_numbers(const FileReader& file, std::int64_t place, Range r, std::int32_t* to) {
  constexpr std::int64_t each = sizeof(std::int32_t);
  const std::int64_t read = file.read(to, r.size() * each, place + r.begin * each);
  check(read == r.size() * each, "{}: ends before its tokens do", file.path());
}

}  // namespace

std::string shard_path(const std::string& folder, std::int64_t shard) {
  return folder + fill("/shard_{:05}.h5", {shard});
}

bool holds_shards(const std::string& folder) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with("shard_") && name.ends_with(".h5")) return true;
  }
  return false;
}

bool is_token_shard(const std::string& path) { return Hdf5File::open(path).has_attribute(mark); }

void write_shard(const std::string& path, const ShardFacts& facts, const std::vector<std::int32_t>& tokens,
                 const std::vector<std::int32_t>& document_ends) {
  const FileWork work("writing", path);
  Replacement whole(path);
  Hdf5File file = Hdf5File::create(whole.temporary());
  put(file, tokens_name, tokens);
  put(file, ends_name, document_ends);
  file.set_attribute("tokenizer", facts.tokenizer);
  file.set_attribute("tokenizer_name", facts.tokenizer_name);
  file.set_attribute("source", facts.source);
  file.set_attribute("vocabulary", facts.vocabulary);
  file.set_attribute("shard", facts.shard);
  file.set_attribute("text_bytes", facts.text_bytes);
  file.set_attribute("next_file", facts.next.file);
  file.set_attribute("next_byte", facts.next.byte);
  file.set_attribute("last", std::int64_t(facts.last));
  file.set_attribute(mark, version);
  file.close();
  whole.commit();
}

TokenShard::TokenShard(const std::string& path) : path_(path) {
  const Hdf5File file = Hdf5File::open(path);
  check(file.has_attribute(mark), "{}: is an HDF5 file, but no token shard", path);
  check(file.integer(mark) == version, "{}: is a token shard of version {}; this program reads {}", path,
        file.integer(mark), version);
  facts_ = {.tokenizer = file.text("tokenizer"),
            .tokenizer_name = file.text("tokenizer_name"),
            .source = file.text("source"),
            .vocabulary = file.integer("vocabulary"),
            .shard = file.integer("shard"),
            .text_bytes = file.integer("text_bytes"),
            .next = {file.integer("next_file"), file.integer("next_byte")},
            .last = file.integer("last") != 0};
  tokens_ = length_of(file, tokens_name), documents_ = length_of(file, ends_name);
  checksum_ = file.text("xxh3", tokens_name), ends_checksum_ = file.text("xxh3", ends_name);
  tokens_at_ = file.place(tokens_name), ends_at_ = file.place(ends_name);
  check(documents_ <= tokens_ && facts_.vocabulary > 0, "{}: {} documents of {} tokens among {} are impossible", path,
        documents_, tokens_, facts_.vocabulary);
}

std::vector<std::int32_t> TokenShard::ends() const {
  std::vector<std::int32_t> ends(static_cast<std::size_t>(documents_));
  read_numbers(FileReader(path_), ends_at_, {0, documents_}, ends.data());
  check(checksum_text(checksum_of(bytes_of(ends))) == ends_checksum_,
        "{}: is damaged: its document ends have another "
        "checksum",
        path_);
  for (std::size_t i = 0; i < ends.size(); ++i)
    check(ends[i] > (i == 0 ? 0 : ends[i - 1]), "{}: is damaged: document {} ends before it begins", path_, i);
  check(ends.back() == tokens_, "{}: is damaged: its documents have {} tokens, not {}", path_, ends.back(), tokens_);
  return ends;
}

void TokenShard::read(Range part, std::int32_t* to) const {
  check(part.begin >= 0 && part.begin <= part.end && part.end <= tokens_, "{}: has no tokens {} to {}", path_,
        part.begin, part.end);
  read_numbers(FileReader(path_), tokens_at_, part, to);
  for (std::int64_t i = 0; i < part.size(); ++i)
    check(to[i] >= 0 && to[i] < facts_.vocabulary, "{}: is damaged: token {} is {}, beyond the vocabulary of {}", path_,
          part.begin + i, to[i], facts_.vocabulary);
}

void TokenShard::verify() const {
  ends();
  Checksum sum;
  std::vector<std::int32_t> some(static_cast<std::size_t>(std::min(piece, tokens_)));
  for (std::int64_t at = 0; at < tokens_; at += piece) {
    const Range r{at, std::min(at + piece, tokens_)};
    read(r, some.data());
    sum.add(some.data(), r.size() * std::int64_t(sizeof(std::int32_t)));
  }
  check(checksum_text(sum.sum()) == checksum_, "{}: is damaged: its tokens have another checksum", path_);
}

TokenShards::TokenShards(const std::string& path) : path_(path), begins_{0} {
  Slow slow("opening token shards");
  const bool one = !fs::is_directory(path);
  for (std::int64_t i = 0; one ? i == 0 : i == 0 || !shards_.back().facts().last; ++i) {
    const std::string file = one ? path : shard_path(path, i);
    check(fs::exists(file), "{}: there is no shard {}; `lact convert text` goes on where it was stopped", path, i);
    shards_.emplace_back(file);
    const ShardFacts &its = shards_.back().facts(), &first = shards_.front().facts();
    check(one || its.shard == i, "{}: is shard {} of a corpus", file, its.shard);
    check(its.tokenizer == first.tokenizer && its.vocabulary == first.vocabulary && its.source == first.source,
          "{}: is of another corpus than {}", file, shards_.front().path());
    begins_.push_back(begins_.back() + shards_.back().tokens());
    slow.at(i, i + 1);
  }
}

std::int64_t TokenShards::documents() const {
  std::int64_t sum = 0;
  for (const TokenShard& s : shards_) sum += s.documents();
  return sum;
}

std::vector<std::int64_t> TokenShards::ends() const {
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < shards_.size(); ++i)
    for (const std::int32_t end : shards_[i].ends()) all.push_back(begins_[i] + end);
  return all;
}

std::size_t TokenShards::shard_of(std::int64_t token) const {
  const auto next = std::size_t(std::ranges::upper_bound(begins_, token) - begins_.begin());
  return std::min(next, shards_.size()) - 1;
}

std::int64_t TokenShards::end_near(std::int64_t token) const {
  const std::size_t s = shard_of(token);
  std::vector<std::int64_t> ends{begins_[s]};
  for (const std::int32_t end : shards_[s].ends()) ends.push_back(begins_[s] + end);
  return nearest_of(ends, token);
}

void TokenShards::read(Range part, std::int32_t* to) const {
  check(part.begin >= 0 && part.begin <= part.end && part.end <= tokens(), "{}: has no tokens {} to {}", path_,
        part.begin, part.end);
  for (std::size_t s = shard_of(part.begin); part.begin < part.end; ++s) {
    const std::int64_t end = std::min(part.end, begins_[s + 1]);
    shards_[s].read({part.begin - begins_[s], end - begins_[s]}, to);
    to += end - part.begin;
    part.begin = end;
  }
}

std::string TokenShards::checksum() const {
  std::string all;
  for (const TokenShard& s : shards_) all += s.checksum();
  return checksum_text(checksum_of(all));
}

}  // namespace lact
