#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <functional>
#include <set>

#include "base/check.hpp"
#include "base/config.hpp"
#include "base/random.hpp"

namespace lact {
namespace {

struct Inner {
  std::int64_t heads = 4;
  bool momentum = false;
  void fields(Fields& f) {
    f("heads", heads, "fast-weight heads");
    f("momentum", momentum, "carry the inner gradient");
  }
};
struct Outer {
  double rate = 1e-4;
  std::string name = "a";
  std::vector<std::int64_t> views = {0, 8};
  Inner model;
  std::vector<Inner> blocks;
  void fields(Fields& f) {
    f("rate", rate, "peak rate");
    f("name", name, "a name");
    f("views", views, "which views");
    f.section("model", model);
    f.list("blocks", blocks, "the blocks");
  }
};

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Check, SentenceCarriesWords) {
  EXPECT_EQ(error_of([] { check(false, "{} views but {:.1f} asked in {}", 3, 2.5, std::string("x")); }),
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

TEST(Config, APipeIsNotWaitedFor) {
  const std::string path = testing::TempDir() + "/config_pipe";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  Outer c;
  try {
    read_config_file(Fields::of(c), path);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.what(), path + ": is not a file");
  }
  unlink(path.c_str());
}

TEST(Config, ReadsNestedValuesAndLists) {
  Outer c;
  read_config_text(Fields::of(c), "rate: 0.5\nmodel: {heads: 2}\nviews: [1, 2]\nblocks: [{heads: 7}, {momentum: true}]",
                   "t.yaml");
  EXPECT_EQ(c.rate, 0.5);
  EXPECT_EQ(c.model.heads, 2);
  EXPECT_EQ(c.views, (std::vector<std::int64_t>{1, 2}));
  ASSERT_EQ(c.blocks.size(), 2u);
  EXPECT_EQ(c.blocks[0].heads, 7);
  EXPECT_TRUE(c.blocks[1].momentum);
  apply_override(Fields::of(c), "blocks.1.heads=9");
  EXPECT_EQ(c.blocks[1].heads, 9);
}

TEST(Config, PrintedValuesReadBackEqual) {
  Outer a, b;
  a.rate = 0.1, a.name = "true", a.views = {}, a.blocks.resize(2), a.blocks[1].heads = 3;
  read_config_text(Fields::of(b), to_yaml(Fields::of(a)), "copy.yaml");
  EXPECT_TRUE(differences(Fields::of(a), Fields::of(b)).empty()) << to_yaml(Fields::of(a));
  b.model.heads = 5;
  auto d = differences(Fields::of(a), Fields::of(b));
  ASSERT_EQ(d.size(), 1u);
  EXPECT_EQ(d[0].key, "model.heads");
}

TEST(Config, BadInputIsOneSentence) {
  Outer c;
  Fields f = Fields::of(c);
  EXPECT_EQ(error_of([&] { read_config_text(f, "model: {head: 2}", "c.yaml"); }),
            "c.yaml: unknown key 'model.head'; did you mean 'model.heads'?");
  EXPECT_EQ(error_of([&] { apply_override(f, "heads=2"); }),
            "command line: unknown key 'heads'; did you mean 'model.heads'?");
  EXPECT_EQ(error_of([&] { apply_override(f, "rate=fast"); }), "command line: rate wants a number, not 'fast'");
  EXPECT_EQ(error_of([&] { apply_override(f, "model.heads=1.5"); }),
            "command line: model.heads wants an integer, not '1.5'");
  EXPECT_EQ(error_of([&] { apply_override(f, "rate"); }), "'rate' is not of the form key=value");
  EXPECT_EQ(error_of([&] { read_config_text(f, "rate: 1\nrate: 2", "c.yaml"); }),
            "c.yaml: the key 'rate' stands twice");
  EXPECT_NE(error_of([&] { read_config_text(f, "rate: [1", "c.yaml"); }).find("c.yaml: line"), std::string::npos);
}

TEST(Config, AliasesCannotMakeAShortTextEndless) {
  std::string bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (char letter = 'b'; letter <= 'k'; ++letter) {
    std::string name(1, letter), before(1, char(letter - 1));
    bomb += fill("{0}: &{0} [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}]\n", {name, before});
  }
  Outer c;
  EXPECT_NE(
      error_of([&] { read_config_text(Fields::of(c), bomb, "bomb.yaml"); }).find("bomb.yaml: has more than 100000"),
      std::string::npos);
}

TEST(Config, AValueThatHoldsItselfIsRefused) {
  Outer c;
  EXPECT_NE(
      error_of([&] { read_config_text(Fields::of(c), "views: &a [*a]", "c.yaml"); }).find("c.yaml: is nested deeper"),
      std::string::npos);
}

TEST(Random, IsAFunctionOfNameAndPosition) {
  auto k = random_key(0, "blocks.0.w0");
  EXPECT_EQ(normal(k, 17), normal(random_key(0, "blocks.0.w0"), 17));
  EXPECT_NE(k, random_key(1, "blocks.0.w0"));
  EXPECT_NE(k, random_key(0, "blocks.0.w0", 1));
}

TEST(Random, MomentsOfNormal) {
  const int n = 20000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    double x = normal(random_key(3, "m"), i);
    sum += x, squares += x * x;
  }
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));  // five standard errors
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2.0 / n));
}

TEST(Random, SamplesWithoutReplacement) {
  auto s = sample_without_replacement(random_key(0, "views", 5), 10, 10);
  EXPECT_EQ(std::set<std::int64_t>(s.begin(), s.end()).size(), 10u);
}

}  // namespace
}  // namespace lact
