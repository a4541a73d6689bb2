// Configurations: read, printed, overridden, refused.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/check.hpp"
#include "base/config.hpp"

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

struct Texts {
  std::string text = "default";
  Path path = "default";
  std::vector<std::string> words;
  std::vector<Texts> more;
  void fields(Fields& f) {
    f("text", text, "a text");
    f("path", path, "a path");
    f("words", words, "texts");
    f.list("more", more, "more of them");
  }
};

// What people name their folders, and what means something to YAML, a line each.
constexpr std::string_view strange_texts = R"(
 
  both  
chair #2
#
&amp
!bang
%p
*x
{y}
[x]
a: b
x:
: 
- a
-
'q'
"q"
it's
a"b
\
\n
null
Null
~
~/x
true
no
1e3
1_000
0x10
.inf
nan
007
2026-01-01
a,b
a  b
| x
> y
? k
---
...
--- a
@at
`tick`
<<
=
a=b
äöü
日本語
😀)";

std::vector<std::string> hostile_texts() {
  std::vector<std::string> all = {
      "a\nb", "\n", "a\n\n", "\n a", "\ta\t", "a\r\nb", "\r\n", "\u2028\u2029\u0085", "\ufeffmark", "\u00a0nbsp\u00a0"};
  for (std::size_t at = 0, end = 0; end != strange_texts.npos; at = end + 1) {
    end = strange_texts.find('\n', at);
    all.emplace_back(strange_texts.substr(at, end - at));
  }
  for (int c = 1; c < 128; ++c) {  // every character alone, first, inside and last
    const std::string one(1, char(c));
    for (const std::string& text : {one, one + "x", "x" + one + "y", "x" + one, " " + one, one + " #"})
      all.push_back(text);
  }
  return all;
}

TEST(Config, ATextOfTheCommandLineIsTakenToTheLetter) {
  for (const std::string& text : hostile_texts()) {
    Texts c;
    c.more.resize(1);
    for (const std::string key : {"text", "more.0.text"}) apply_override(Fields::of(c), key + "=" + text);
    EXPECT_EQ(c.text, text);
    EXPECT_EQ(c.more[0].text, text);
    if (text.starts_with('~')) continue;
    apply_override(Fields::of(c), "path=" + text);
    EXPECT_EQ(c.path, text);
  }
}

TEST(Config, EveryTextReadsBackAsItWasStored) {
  Texts a, b;
  a.words = hostile_texts();
  read_config_text(Fields::of(b), to_yaml(Fields::of(a)), "copy.yaml");
  EXPECT_EQ(a.words, b.words);
  for (const std::string& text : hostile_texts()) {
    a.text = text, a.path = "/" + text + "/x", a.words = {text, text};
    a.more.resize(1);
    a.more[0].text = text;
    b = {};
    read_config_text(Fields::of(b), to_yaml(Fields::of(a)), "copy.yaml");
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.words, b.words);
    EXPECT_EQ(a.path.place(), b.path);
    ASSERT_EQ(b.more.size(), 1u);
    EXPECT_EQ(a.more[0].text, b.more[0].text);
    EXPECT_TRUE(differences(Fields::of(a), Fields::of(b)).empty()) << text;
  }
}

TEST(Config, AListOnTheCommandLineIsYaml) {
  Texts c;
  apply_override(Fields::of(c), "words=[a, 'b #c', \"d\\te\", 1e3, \"~\"]");
  EXPECT_EQ(c.words, (std::vector<std::string>{"a", "b #c", "d\te", "1e3", "~"}));
  apply_override(Fields::of(c), "words=");
  EXPECT_TRUE(c.words.empty());
  EXPECT_EQ(error_of([&] { apply_override(Fields::of(c), "words=chair #2"); }),
            "command line: words wants a list of texts such as [1, 2], not 'chair'");
  EXPECT_NE(error_of([&] { apply_override(Fields::of(c), "words=[a"); }).find("command line: words=[a is not"),
            std::string::npos);
  EXPECT_NE(error_of([&] { apply_override(Fields::of(c), "words=[a] [b]"); }).find("command line"), std::string::npos);
}

TEST(Config, NumbersAreWrittenInDigits) {
  Outer c;
  Fields f = Fields::of(c);
  apply_override(f, "model.heads= 5 ");
  EXPECT_EQ(c.model.heads, 5);
  apply_override(f, "rate=1e-3");
  EXPECT_EQ(c.rate, 1e-3);
  for (const std::string text : {"1_000", "1e3", "0x10", "inf", "nan", "", "5 #", "5 6", "9223372036854775808", "~"})
    EXPECT_EQ(error_of([&] { apply_override(f, "model.heads=" + text); }),
              "command line: model.heads wants an integer, not '" + text + "'");
  for (const std::string text : {"1_000", "0x10", ".nan", "1e999", "", "1 #"})
    EXPECT_EQ(error_of([&] { apply_override(f, "rate=" + text); }),
              "command line: rate wants a number, not '" + text + "'");
  EXPECT_EQ(error_of([&] { apply_override(f, "model.momentum=yes"); }),
            "command line: model.momentum wants true or false, not 'yes'");
}

TEST(Config, TextThatIsNotUtf8IsRefused) {
  Texts c;
  for (const std::string text : {"caf\xe9", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "a\xe2\x82"})
    EXPECT_EQ(error_of([&] { apply_override(Fields::of(c), "path=" + text); }),
              "command line: path wants text in UTF-8");
}

TEST(Config, ATildeIsTheHomeDirectory) {
  const char* before = std::getenv("HOME");
  const std::string home = before == nullptr ? "" : before;
  setenv("HOME", "/home/of tests", 1);
  Texts c;
  auto read = [&](const std::string& yaml) {
    read_config_text(Fields::of(c), yaml, "c.yaml");
    return std::string(c.path);
  };
  auto typed = [&](const std::string& value) {
    apply_override(Fields::of(c), "path=" + value);
    return std::string(c.path);
  };
  for (const auto& f :
       {std::function<std::string(const std::string&)>(typed),
        std::function<std::string(const std::string&)>([&](const std::string& v) { return read("path: " + v); })}) {
    EXPECT_EQ(f("~"), "/home/of tests");
    EXPECT_EQ(f("~/"), "/home/of tests/");
    EXPECT_EQ(f("~/a/~"), "/home/of tests/a/~");
    EXPECT_EQ(f("./~"), "./~");
    EXPECT_EQ(f("a~"), "a~");
    EXPECT_EQ(f("~root/x"), "/root/x");
    EXPECT_NE(error_of([&] { f("~nobody-of-that-name/x"); }).find("path=~nobody-of-that-name/x: no home directory of"),
              std::string::npos);
  }
  for (const std::string yaml :
       {"path: ~", "{path: ~}", "\xef\xbb\xbfpath: ~", "text: \u00e4\r\npath:   ~  # home\r\n", "path: '~'"})
    EXPECT_EQ(read(yaml), "/home/of tests") << yaml;
  for (const std::string yaml : {"path:", "path: null", "path: ''", "path:\ntext: ~x"})
    EXPECT_EQ(read(yaml), "") << yaml;
  EXPECT_EQ(c.text, "~x");  // no path
  unsetenv("HOME");
  EXPECT_TRUE(typed("~/x").starts_with("/"));  // what the system says
  if (before != nullptr) setenv("HOME", home.c_str(), 1);
}

TEST(Config, PathsOfOnePlaceAreTheSame) {
  const std::string here = std::filesystem::current_path().string();
  const std::string around = "../" + std::filesystem::path(here).filename().string() + "/a/b";
  for (const std::string& same : std::vector<std::string>{"a/b", "./a/b/", "a//b", "a/x/../b", around}) {
    Texts a, b;
    a.path = here + "/a/b", b.path = same;
    EXPECT_TRUE(differences(Fields::of(a), Fields::of(b)).empty()) << same;
  }
  Texts a, b;
  a.path = "a", b.path = "";
  EXPECT_EQ(differences(Fields::of(a), Fields::of(b)).size(), 1u);
}

TEST(Config, WhatYamlWouldDropIsRefused) {
  Texts c;
  for (const std::string yaml : {"text: a\n---\ntext: b", "text: a\n...\nmore ][", "{text: a} {path: b}", "text: &amp",
                                 "text: !bang", "path: &amp", "text: a\n---\n- x"})
    EXPECT_TRUE(error_of([&] { read_config_text(Fields::of(c), yaml, "c.yaml"); }).starts_with("c.yaml: ")) << yaml;
  for (const std::string yaml : {"---\ntext: a", "---\ntext: a\n...\n", "text: a\n---\n# nothing"})
    EXPECT_EQ(error_of([&] { read_config_text(Fields::of(c), yaml, "c.yaml"); }), "no error") << yaml;
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

}  // namespace
}  // namespace lact
