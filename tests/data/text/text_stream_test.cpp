#include "data/text/text_stream.hpp"

#include <gtest/gtest.h>

#include "base/check.hpp"

namespace lact {
namespace {

TEST(TextStream, WritesALetterWhenItIsWholeAndKeepsEveryByte) {
  const ByteTokenizer bytes;
  // letters of one to four bytes, bytes that are none, and a letter that never ends
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff z\x80\xc3(\xe2\x82";
  TextStream stream(bytes);
  std::string written;
  for (const std::int32_t id : bytes.encode(text)) {
    const std::string whole = stream.add(id);
    written += whole;
    if (written.size() <= 10) {
      EXPECT_TRUE(is_utf8(written)) << written;
    }
  }
  EXPECT_EQ(written, text.substr(0, text.size() - 2));
  EXPECT_EQ(written + stream.rest(), text);
  EXPECT_EQ(stream.rest(), "");
  EXPECT_EQ(stream.text(), text);
}

TEST(TextStream, IsTheDecodedTextForEveryTokenizer) {
  for (const char* file : {"gpt2.json", "llama2.json", "llama3.json", "metaspace.json", "bpe.model", "unigram.model"}) {
    const auto tokenizer = open_tokenizer(Path(std::string("tests/data/text/") + file));
    for (const std::string text : {"the word and the letters", " caf\xc3\xa9 \xe2\x82\xac 12", "x"}) {
      const std::vector<std::int32_t> ids = tokenizer->encode(text);
      TextStream stream(*tokenizer);
      std::string written;
      for (const std::int32_t id : ids) written += stream.add(id);
      EXPECT_EQ(written + stream.rest(), tokenizer->decode(ids)) << file;
    }
  }
}

}  // namespace
}  // namespace lact
