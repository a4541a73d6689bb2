// Text from tokens as they come.
#pragma once
#include "data/text/tokenizer.hpp"

namespace lact {

// Bytes that make no letter yet are held back until the letter is whole, or is none.
class TextStream {
 public:
  explicit TextStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  void before(std::int32_t id) { last_ = id; }       // what stands before the text, which decides about its first space
  std::string add(std::int32_t id);                  // the letters that are whole now
  std::string rest();                                // what is left in the end
  const std::string& text() const { return text_; }  // all bytes, as they were given

 private:
  const Tokenizer& tokenizer_;
  std::int32_t last_ = -1;
  std::string text_;
  std::size_t written_ = 0;
};

}  // namespace lact
