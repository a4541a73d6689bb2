#include "data/text/tokenizers/normal_form.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/check.hpp"

namespace lact {
namespace {

TEST(NormalForm, SpellsEachLetterInOneWay) {
  EXPECT_EQ(composed_form("e\u0301"), "\u00e9");
  EXPECT_EQ(composed_form("\u00e9"), "\u00e9");
  EXPECT_EQ(composed_form("\u212b"), "\u00c5");                // the sign of a unit is the letter
  EXPECT_EQ(composed_form("q\u0307\u0323"), "q\u0323\u0307");  // marks in the order of their classes
  EXPECT_EQ(composed_form("a\u0301\u0327"), "\u00e1\u0327");   // a mark between of a lower class
  EXPECT_EQ(composed_form("\u0958"), "\u0915\u093c");          // excluded from composition
  EXPECT_EQ(composed_form("\u1100\u1161\u11a8"), "\uac01");    // syllables
  EXPECT_EQ(composed_form("\uac00\u11a8"), "\uac01");
  EXPECT_EQ(composed_form("\u1100\u1161"), "\uac00");
  EXPECT_EQ(composed_form("s\u0323\u0307"), "\u1e69");  // twice
  EXPECT_EQ(composed_form("\u0301e"), "\u0301e");       // nothing to join
  EXPECT_EQ(composed_form(""), "");
}

TEST(NormalForm, KeepsBytesThatAreNoText) {
  EXPECT_EQ(composed_form("e\u0301\xff"
                          "e\u0301\xe2\x82"),
            "\u00e9\xff\u00e9\xe2\x82");
  EXPECT_EQ(composed_form("e\xff\u0301"), "e\xff\u0301");
  EXPECT_EQ(composed_form("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

TEST(NormalForm, OfItselfIsItself) {
  std::mt19937 random(1);
  const std::u32string letters =
      U"aeqs\u0300\u0301\u0307\u0323\u0327\u0345\u00c5\u1100\u1161\u11a8\uac00\u0915\u093c\u1e69";
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (int n = int(random() % 12); n > 0; --n) {
      const char32_t c = letters[random() % letters.size()];
      if (c < 0x80)
        text += char(c);
      else if (c < 0x800)
        text += {char(0xc0 | c >> 6), char(0x80 | (c & 0x3f))};
      else
        text += {char(0xe0 | c >> 12), char(0x80 | (c >> 6 & 0x3f)), char(0x80 | (c & 0x3f))};
    }
    const std::string once = composed_form(text);
    EXPECT_EQ(composed_form(once), once);
    EXPECT_TRUE(is_utf8(once));
  }
}

}  // namespace
}  // namespace lact
