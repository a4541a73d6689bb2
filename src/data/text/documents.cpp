#include "data/text/documents.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <thread>

#include "base/check.hpp"
#include "base/cores.hpp"
#include "files/kind.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t block_bytes = 1 << 20, documents_ahead = 1 << 14;

void add_file(std::vector<TextFile>& files, const std::string& path) {
  const FileKind is = kind_of(path);
  check(is.kind == FileKind::unknown, "{}: {}, not text", path, is.words);
  files.push_back({path, FileReader(path).size()});
}

bool is_blank(const std::string& line) { return line.find_first_not_of(" \t\r\n\f\v") == line.npos; }

void strip_line_end(std::string& text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
}

}  // namespace

std::vector<TextFile> text_files(const std::string& path) {
  std::error_code error;
  check(fs::exists(path, error), "{}: there is no such file or folder", path);
  std::vector<TextFile> files;
  if (fs::is_directory(path, error)) {
    for (fs::recursive_directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      const bool hidden = at->path().filename().string().starts_with('.');
      if (hidden && at->is_directory(error)) at.disable_recursion_pending();
      if (!hidden && at->is_regular_file(error)) add_file(files, at->path().string());
    }
    check(!error, "{}: cannot be read ({})", path, error.message());
    std::ranges::sort(files, {}, &TextFile::path);
  } else {
    add_file(files, path);
  }
  check(bytes_of(files) > 0, "{}: holds no text", path);
  return files;
}

std::int64_t bytes_of(const std::vector<TextFile>& files) {
  std::int64_t sum = 0;
  for (const TextFile& f : files) sum += f.bytes;
  return sum;
}

void check_documents(const std::string& documents, const std::string& key) {
  check(documents == "files" || documents == "paragraphs" || documents == "lines",
        "{}={}: files, paragraphs and lines are known", key, documents);
}

DocumentReader::DocumentReader(const std::vector<TextFile>& files, std::string documents, TextPlace from)
    : files_(files), documents_(std::move(documents)), at_(from) {}

void DocumentReader::check_size(const std::string& text) const {
  check(std::int64_t(text.size()) <= max_bytes,
        "{}: holds a document of more than {} bytes; documents=paragraphs or "
        "documents=lines makes shorter ones",
        files_[std::size_t(at_.file)].path, max_bytes);
}

bool DocumentReader::line(std::string& to) {
  const std::size_t before = to.size();
  for (;;) {
    if (used_ == block_.size()) {
      block_.resize(std::size_t(block_bytes));
      block_.resize(std::size_t(open_->read(block_.data(), block_bytes, at_.byte)));
      used_ = 0;
      if (block_.empty()) return to.size() > before;
    }
    const std::size_t end = block_.find('\n', used_), stop = end == block_.npos ? block_.size() : end + 1;
    to.append(block_, used_, stop - used_);
    at_.byte += std::int64_t(stop - used_);
    used_ = stop;
    check_size(to);
    if (end != block_.npos) return true;
  }
}

std::optional<Document> DocumentReader::next() {
  while (at_.file < std::int64_t(files_.size())) {
    if (!open_) open_.emplace(files_[std::size_t(at_.file)].path);
    std::string text, one;
    bool more = true;
    if (documents_ == "files") {
      while (line(text)) continue;
      more = false;
    } else {
      more = line(text);
      if (documents_ == "paragraphs" && !is_blank(text))
        while (line(one) && !is_blank(one)) {
          text += one;
          check_size(text);
          one.clear();
        }
      if (is_blank(text)) text.clear();
      strip_line_end(text);
    }
    if (!text.empty()) return Document{std::move(text), at_};
    if (more) continue;
    at_ = {at_.file + 1, 0};
    open_.reset();
    block_.clear();
    used_ = 0;
  }
  return {};
}

namespace {

// The tokens of each, by `threads`.
std::vector<std::vector<std::int32_t>> encoded(const std::vector<Document>& documents, const Tokenizer& tokenizer,
                                               std::int64_t threads) {
  std::vector<std::vector<std::int32_t>> tokens(documents.size());
  std::atomic<std::size_t> next = 0;
  std::vector<std::exception_ptr> errors((std::size_t(threads)));
  auto work = [&](std::exception_ptr& error) {
    try {
      for (std::size_t i; (i = next++) < documents.size();) tokens[i] = tokenizer.document(documents[i].text);
    } catch (...) {
      error = std::current_exception();
      next = documents.size();
    }
  };
  {
    const MakingThreads everywhere;
    std::vector<std::jthread> others;
    for (std::size_t t = 1; t < std::min(errors.size(), documents.size()); ++t)
      others.emplace_back([&work, &error = errors[t]] { work(error); });
    work(errors[0]);
  }
  for (const std::exception_ptr& e : errors)
    if (e) std::rethrow_exception(e);
  return tokens;
}

}  // namespace

void each_encoded(DocumentReader& reader, const Tokenizer& tokenizer, std::int64_t wanted,
                  const std::function<void(const Document&, const std::vector<std::int32_t>&)>& take) {
  const std::int64_t threads = std::max<std::int64_t>(wanted, 1);
  for (bool more = true; more;) {
    std::vector<Document> some;
    for (std::int64_t bytes = 0; bytes < threads * block_bytes && std::int64_t(some.size()) < documents_ahead;) {
      std::optional<Document> d = reader.next();
      if (!(more = d.has_value())) break;
      bytes += std::int64_t(d->text.size());
      some.push_back(*std::move(d));
    }
    const auto tokens = encoded(some, tokenizer, threads);
    for (std::size_t i = 0; i < some.size(); ++i)
      if (!tokens[i].empty()) take(some[i], tokens[i]);
  }
}

}  // namespace lact
