// Errors are one sentence each, and obey nobody's terminal.
#include <gtest/gtest.h>

#include "base/check.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(Check, SentenceCarriesWords) {
  EXPECT_EQ(sentence_of([] { check(false, "{} views but {:.1f} asked in {}", 3, 2.5, std::string("x")); }),
            "3 views but 2.5 asked in x");
}

// Names of files and keys come from others: a terminal must not obey them, nor a line break make a line of its own.
TEST(Check, WhatATerminalWouldObeyIsShownAsItsBytes) {
  EXPECT_EQ(sentence("{}: {}", "a\x1b[31m\a", 3), "a\\x1b[31m\\x07: 3");
  EXPECT_EQ(shown("\x7f \xc2\x9b \xe2\x80\xae"), "\\x7f \\xc2\\x9b \\xe2\\x80\\xae");      // delete, CSI, right to left
  EXPECT_EQ(shown("\x9b \xc3( \xed\xa0\x80 \xe2"), "\\x9b \\xc3( \\xed\\xa0\\x80 \\xe2");  // no UTF-8
  EXPECT_EQ(shown("caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80 ~"),
            "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80 ~");
  try {
    fail("{}: no such picture", "a\nlact: all is well");
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "a\\nlact: all is well: no such picture");
  }
}

TEST(Check, MissingMemoryNamesTheFileThatIsRead) {
  try {
    reading("p.png", [] { throw std::bad_alloc(); });
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "p.png: reading it takes more memory than there is");
  }
}

}  // namespace
}  // namespace lact
