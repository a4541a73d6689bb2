#include <gtest/gtest.h>

#include "data/text/tokenizer.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using Ids = std::vector<std::int32_t>;

TEST(ByteTokenizer, EveryByteComesBack) {
  const ByteTokenizer t;
  std::string all;
  for (int i = 0; i < 256; ++i) all += char(i);
  for (const std::string& text : {all, std::string(), std::string("caf\xc3\xa9\r\n"), all + all}) {
    const Ids ids = t.encode(text);
    EXPECT_EQ(ids.size(), text.size());
    EXPECT_EQ(t.decode(ids), text);
  }
}

TEST(ByteTokenizer, DocumentsBeginAndEndWithTokensOfTheirOwn) {
  const ByteTokenizer t;
  EXPECT_EQ(t.document("ab"), (Ids{256, 'a', 'b', 257}));
  EXPECT_EQ(t.document(""), (Ids{256, 257}));
  EXPECT_EQ(t.decode(t.document("ab")), "<bos>ab<eos>");
  EXPECT_EQ(t.vocabulary(), 258);
}

TEST(ByteTokenizer, OtherIdsAreNoTokens) {
  EXPECT_EQ(sentence_of([] { ByteTokenizer().decode(Ids{65, 258}); }), "bytes: there is no token 258 among 258");
  EXPECT_EQ(sentence_of([] { ByteTokenizer().decode(Ids{-1}); }), "bytes: there is no token -1 among 258");
}

TEST(ByteTokenizer, IsWhatNoFileMeans) { EXPECT_EQ(open_tokenizer({})->fingerprint(), ByteTokenizer().fingerprint()); }

}  // namespace
}  // namespace lact
