// A .model of SentencePiece, read and computed by its library.
#pragma once
#include <memory>

#include "data/text/tokenizer.hpp"

namespace lact {

class SentencePieceTokenizer final : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(const std::string& path);
  ~SentencePieceTokenizer() override;
  std::string name() const override { return path_; }
  std::int64_t vocabulary() const override;
  std::int32_t bos() const override;
  std::int32_t eos() const override;
  std::string fingerprint() const override { return fingerprint_; }
  // Bytes that are not UTF-8 are kept where the vocabulary has pieces for bytes; otherwise they are unknown. What a
  // model does to white space and letters (its normalizer) it does here.
  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;

  static constexpr std::int64_t max_bytes = 64 << 20, max_vocabulary = 1 << 20;

 private:
  struct Processor;
  std::vector<std::int32_t> encoded(std::string_view text) const;
  std::string path_, fingerprint_;
  std::unique_ptr<const Processor> processor_;
};

}  // namespace lact
