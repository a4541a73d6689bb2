// Text as numbers, and back.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/path.hpp"

namespace lact {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::string name() const = 0;            // "bytes", or the path of its file
  virtual std::int64_t vocabulary() const = 0;     // ids are below
  virtual std::int32_t bos() const { return -1; }  // what a document begins with; -1: with its text
  virtual std::int32_t eos() const { return -1; }  // what it ends with, likewise
  virtual std::string fingerprint() const = 0;     // equal where text becomes the same numbers: 16 digits
  // Any bytes, also none and such as are not UTF-8; neither bos nor eos is added. Called by several threads at once.
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  // The bytes that the ids stand for; special ones become what the original makes of them: their names, or nothing. An
  // id beyond the vocabulary is an error.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;

  // A document of a corpus: bos where there is one that is not eos, the text, eos where there is one.
  std::vector<std::int32_t> document(std::string_view text) const;

 protected:
  void check_id(std::int32_t id) const;
};

// A number for each byte, then 256 for bos and 257 for eos.
class ByteTokenizer final : public Tokenizer {
 public:
  std::string name() const override { return "bytes"; }
  std::int64_t vocabulary() const override { return 258; }
  std::int32_t bos() const override { return 256; }
  std::int32_t eos() const override { return 257; }
  std::string fingerprint() const override { return "bytes-256-bos-eos"; }
  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
};

// Of a tokenizer.json or a SentencePiece model, or of a folder that holds one under these names (tokenizer.json,
// tokenizer.model); bytes where `path` is empty.
std::shared_ptr<const Tokenizer> open_tokenizer(const Path& path);
// What a folder holds under one of these names, or nothing.
Path tokenizer_beside(const std::string& folder);
bool begins_json(std::string_view bytes);  // as a tokenizer.json does, and no model

}  // namespace lact
