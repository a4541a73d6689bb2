// The documents of plain text: whole files, or parts of them.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/text/tokenizer.hpp"
#include "files/whole_file.hpp"

namespace lact {

struct TextFile {
  std::string path;
  std::int64_t bytes = 0;
};

// A file, or those of a folder and of the folders in it, sorted; names that begin with a point are left out. Refused:
// what is no text by its first bytes, and places without any text.
std::vector<TextFile> text_files(const std::string& path);
std::int64_t bytes_of(const std::vector<TextFile>& files);

// "files", "paragraphs" (lines between blank ones) or "lines". An error names `key` and what is known.
void check_documents(const std::string& documents, const std::string& key);

struct TextPlace {  // in a list of files
  std::int64_t file = 0, byte = 0;
};

struct Document {
  std::string text;  // a line or paragraph without its last line's end; its bytes are kept otherwise
  TextPlace next;    // where reading goes on
};

// One after the other. Empty ones are left out.
class DocumentReader {
 public:
  DocumentReader(const std::vector<TextFile>& files, std::string documents, TextPlace from = {});
  std::optional<Document> next();
  static constexpr std::int64_t max_bytes = 256 << 20;  // of a document

 private:
  bool line(std::string& to);  // adds the next one with its end; false at the end of the file
  void check_size(const std::string& text) const;

  const std::vector<TextFile>& files_;
  std::string documents_;
  TextPlace at_;
  std::optional<FileReader> open_;
  std::string block_;  // of the file, from at_ on where `used_` of it are
  std::size_t used_ = 0;
};

// All tokens of all documents in their order, read and encoded side by side by so many threads, one at least; `take` is
// called by one.
void each_encoded(DocumentReader& reader, const Tokenizer& tokenizer, std::int64_t threads,
                  const std::function<void(const Document&, const std::vector<std::int32_t>&)>& take);

}  // namespace lact
