// The tokens of a corpus, one document behind the other.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/tensor.hpp"

namespace lact {

class TokenStore {
 public:
  virtual ~TokenStore() = default;
  virtual std::string name() const = 0;  // for sentences
  virtual std::int64_t tokens() const = 0;
  virtual std::int64_t documents() const = 0;
  virtual std::vector<std::int64_t> ends() const = 0;           // of each document: the tokens of all up to it
  virtual std::int64_t end_near(std::int64_t token) const = 0;  // of a document, or the begin of all
  virtual std::string checksum() const = 0;                     // of all tokens: 16 digits
  // Called by several threads at once. A token beyond the vocabulary is an error.
  virtual void read(Range tokens, std::int32_t* to) const = 0;
};

// The one of these numbers, which ascend, that is nearest to `x`; of two the lower.
std::int64_t nearest_of(const std::vector<std::int64_t>& numbers, std::int64_t x);

// In memory, as made of plain text when it is opened.
class TokensInMemory final : public TokenStore {
 public:
  explicit TokensInMemory(std::string name) : name_(std::move(name)) {}
  void add(const std::vector<std::int32_t>& document);
  std::string name() const override { return name_; }
  std::int64_t tokens() const override { return std::int64_t(tokens_.size()); }
  std::int64_t documents() const override { return std::int64_t(ends_.size()); }
  std::vector<std::int64_t> ends() const override { return ends_; }
  std::int64_t end_near(std::int64_t token) const override;
  std::string checksum() const override;
  void read(Range tokens, std::int32_t* to) const override;

 private:
  std::string name_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::int64_t> ends_;
};

}  // namespace lact
