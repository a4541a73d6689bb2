#include "data/text/pack.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "data/text/stored_text.hpp"
#include "data/text/token_shard.hpp"
#include "files/hdf5.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;
using Texts = std::vector<std::string>;

std::string numbered(std::int64_t documents) {  // paragraphs of several lengths
  std::string text;
  for (std::int64_t d = 0; d < documents; ++d)
    text += "document " + std::to_string(d) + std::string(std::size_t(d % 17), '.') + "\nsecond line\r\n\n";
  return text;
}

Texts documents_of(const std::string& path, const std::string& documents) {
  const std::vector<TextFile> files = text_files(path);
  DocumentReader reader(files, documents);
  Texts all;
  while (const auto d = reader.next()) all.push_back(d->text);
  return all;
}

Ids tokens_of(const TokenStore& store) {
  Ids all(static_cast<std::size_t>(store.tokens()));
  store.read({0, store.tokens()}, all.data());
  return all;
}

class Pack : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string text_ = folder_.write("text.txt", numbered(200)), out_ = folder_ / "shards";
  PackConfig config_{.path = text_, .tokenizer = {}, .documents = "paragraphs", .shard_tokens = 700, .threads = 3};

  std::string path_of_said(const std::string& said) const {  // without the folder, whose name differs each time
    std::string s = said;
    for (std::size_t at; (at = s.find(folder_.path())) != s.npos;) s.erase(at, folder_.path().size() + 1);
    return s;
  }
  std::string error_of(const PackConfig& c) const {
    return path_of_said(sentence_of([&] { pack_text(c, out_); }));
  }
  std::string error_of_opening(TextConfig c) const {
    return path_of_said(sentence_of([&] { open_text(c); }));
  }
};

TEST(Documents, AreFilesParagraphsOrLines) {
  const TemporaryFolder f;
  const std::string path = f.write("a.txt", "\n one\ntwo \r\n\t \r\n\nthree\xff\n\n\n");
  EXPECT_EQ(documents_of(path, "files"), (Texts{"\n one\ntwo \r\n\t \r\n\nthree\xff\n\n\n"}));
  EXPECT_EQ(documents_of(path, "paragraphs"), (Texts{" one\ntwo ", "three\xff"}));
  EXPECT_EQ(documents_of(path, "lines"), (Texts{" one", "two ", "three\xff"}));
  for (const char* kind : {"paragraphs", "lines"})
    EXPECT_EQ(documents_of(f.write("b.txt", "no end"), kind), (Texts{"no end"}));
}

TEST(Documents, OfAFolderAreThoseOfItsFilesInOrder) {
  const TemporaryFolder f;
  fs::create_directories(f / "b/.hidden");
  f.write("c.txt", "3");
  f.write("b/a.txt", "2");
  f.write("a.txt", "1");
  f.write(".d", "not this");
  f.write("b/.hidden/x", "nor this");
  f.write("empty", "");
  EXPECT_EQ(documents_of(f.path(), "files"), (Texts{"1", "2", "3"}));
  f.write("z.png", "\x89PNG\r\n\x1a\n...");
  EXPECT_EQ(sentence_of([&] { text_files(f.path()); }), f / "z.png" + ": is a PNG picture, not text");
}

TEST(Documents, LongOnesComeWhole) {
  const TemporaryFolder f;
  const std::string big(std::size_t(3) << 20, 'x'), path = f.write("a", big + "\n" + big + "y\n\nz");
  EXPECT_EQ(documents_of(path, "lines"), (Texts{big, big + "y", "z"}));
  EXPECT_EQ(documents_of(path, "paragraphs"), (Texts{big + "\n" + big + "y", "z"}));
}

TEST_F(Pack, ShardsHoldEveryDocumentOnceInOrder) {
  const Packed p = pack_text(config_, out_);
  const TokenShards shards(out_);
  EXPECT_GT(p.shards, 5);
  EXPECT_EQ(p.documents, 200);
  EXPECT_EQ(shards.documents(), 200);
  EXPECT_EQ(p.tokens, shards.tokens());
  Ids wanted;
  std::vector<std::int64_t> ends;
  for (const std::string& text : documents_of(text_, "paragraphs")) {
    const Ids ids = ByteTokenizer().document(text);
    wanted.insert(wanted.end(), ids.begin(), ids.end());
    ends.push_back(std::int64_t(wanted.size()));
  }
  EXPECT_EQ(tokens_of(shards), wanted);
  EXPECT_EQ(shards.ends(), ends);
  for (const TokenShard& s : shards.shards()) s.verify();
}

TEST_F(Pack, DoesNotDependOnTheNumberOfThreads) {
  for (const std::int64_t threads : {1, 2, 5}) {
    config_.threads = threads;
    pack_text(config_, folder_ / std::to_string(threads));
  }
  const TokenShards one(folder_ / "1"), two(folder_ / "2"), five(folder_ / "5");
  EXPECT_EQ(one.checksum(), two.checksum());
  EXPECT_EQ(one.checksum(), five.checksum());
  EXPECT_EQ(one.shards().size(), five.shards().size());
}

TEST_F(Pack, StoppedAnywhereItGoesOnWithNothingLostOrDoubled) {
  for (const std::string documents : {"paragraphs", "lines"}) {
    config_.documents = documents;
    pack_text(config_, folder_ / documents);
    const TokenShards whole(folder_ / documents);
    for (const int stop : {1, 40, 41, 90, 199}) {
      const std::string part = folder_ / (documents + std::to_string(stop));
      int seen = 0;
      EXPECT_EQ(sentence_of([&] {
                  pack_text(config_, part, [&](std::int64_t, std::int64_t) { check(++seen < stop, "stopped"); });
                }),
                "stopped");
      pack_text(config_, part);
      const TokenShards again(part);
      EXPECT_EQ(again.checksum(), whole.checksum());
      EXPECT_EQ(again.ends(), whole.ends());
      const Packed third = pack_text(config_, part);
      EXPECT_TRUE(third.was_complete);
      EXPECT_EQ(third.documents, whole.documents());
    }
  }
}

TEST_F(Pack, ShardsOfAnythingElseAreLeftAlone) {
  pack_text(config_, out_);
  const std::string other = "shards/shard_00000.h5: is of another text, or made with other keys; take a new folder";
  PackConfig c = config_;
  c.documents = "lines";
  EXPECT_EQ(error_of(c), other);
  c = config_, c.shard_tokens = 701;
  EXPECT_EQ(error_of(c), other);
  c = config_, c.tokenizer = "tests/data/text/gpt2.json";
  EXPECT_EQ(error_of(c), other);
  folder_.write("text.txt", numbered(201));
  EXPECT_EQ(error_of(config_), other);
  EXPECT_EQ(TokenShards(out_).documents(), 200);
  fs::remove(shard_path(out_, 0));
  EXPECT_EQ(error_of(config_), "shards: holds shards, but not the first; take a new folder");
}

TEST_F(Pack, BadInputIsOneSentenceAndMakesNothing) {
  PackConfig c = config_;
  c.path = "";
  EXPECT_EQ(error_of(c), "path= is missing: which text is converted?");
  c.path = folder_ / "nowhere";
  EXPECT_EQ(error_of(c), "nowhere: there is no such file or folder");
  c.path = folder_.write("empty", "");
  EXPECT_EQ(error_of(c), "empty: holds no text");
  c = config_, c.documents = "pages";
  EXPECT_EQ(error_of(c), "documents=pages: files, paragraphs and lines are known");
  c = config_, c.shard_tokens = 0;
  EXPECT_EQ(error_of(c), "shard_tokens is 0; a shard has 1 to 1073741824 tokens");
  c = config_, c.path = folder_.path();
  EXPECT_TRUE(error_of(c).starts_with("shards: lies in the text that is converted, "));
  EXPECT_FALSE(fs::exists(out_));
  c = config_, c.path = folder_.write("blank", "\n \n\t\n");
  EXPECT_EQ(error_of(c), "blank: holds no text");
}

TEST_F(Pack, DamageIsFoundAndNamed) {
  pack_text(config_, out_);
  const std::string path = shard_path(out_, 2);
  const std::int64_t place = Hdf5File::open(path).place("tokens");
  const std::string good = folder_.read("shards/shard_00002.h5");
  std::string bad = good;
  bad[std::size_t(place)] = char(bad[std::size_t(place)] ^ 1);
  folder_.write("shards/shard_00002.h5", bad);
  EXPECT_EQ(error_of(config_), "shards/shard_00002.h5: is damaged: its tokens have another checksum");
  bad = good, bad[std::size_t(place) + 3] = 1;  // 1 << 24 and more
  folder_.write("shards/shard_00002.h5", bad);
  EXPECT_TRUE(path_of_said(sentence_of([&] {
                tokens_of(TokenShards(out_));
              })).starts_with("shards/shard_00002.h5: is damaged: token 0 is 16777"));
  bad = good, bad[std::size_t(Hdf5File::open(path).place("document_ends"))] ^= 1;
  folder_.write("shards/shard_00002.h5", bad);
  EXPECT_EQ(error_of_opening({.path = out_, .cross_documents = false}), "no error");
  EXPECT_EQ(path_of_said(sentence_of([&] { open_text({.path = out_, .cross_documents = false})->samples(0); })),
            "shards/shard_00002.h5: is damaged: its document ends have another checksum");
  folder_.write("shards/shard_00002.h5", good.substr(0, good.size() / 2));
  EXPECT_NE(error_of_opening({.path = out_}), "no error");
  fs::remove(path);
  EXPECT_EQ(error_of_opening({.path = out_}),
            "shards: there is no shard 2; `lact convert text` goes on where it was stopped");
  folder_.write("shards/shard_00002.h5", folder_.read("shards/shard_00003.h5"));
  EXPECT_EQ(error_of_opening({.path = out_}), "shards/shard_00002.h5: is shard 3 of a corpus");
}

TEST_F(Pack, AnotherHdf5FileIsNoShard) {
  const std::string path = folder_ / "other.h5";
  Hdf5File::create(path).close();
  EXPECT_EQ(error_of_opening({.path = path}), "other.h5: is an HDF5 file, but no token shard");
}

TEST_F(Pack, TheTokenizerStaysBesideItsShards) {
  for (const std::string name : {"gpt2.json", "bpe.model"}) {
    config_.tokenizer = "tests/data/text/" + name;
    const std::string out = folder_ / name;
    pack_text(config_, out);
    const auto corpus = open_text({.path = out, .context = 16});
    EXPECT_EQ(corpus->tokenizer().fingerprint(), open_tokenizer(config_.tokenizer)->fingerprint());
    const Ids all = tokens_of(static_cast<const StoredText&>(*corpus).store());
    EXPECT_NE(corpus->tokenizer().decode(all).find("document 77"), std::string::npos);
    EXPECT_EQ(error_of_opening({.path = out, .tokenizer = "tests/data/text/llama3.json"}),
              name + "/shard_00000.h5: was made with the tokenizer " + name + ", not with tests/data/text/llama3.json");
    fs::remove(std::string(tokenizer_beside(out)));
    EXPECT_EQ(error_of_opening({.path = out}), name + "/shard_00000.h5: was made with the tokenizer " + name +
                                                   ", whose file is not beside it; set data.tokenizer");
  }
}

TEST_F(Pack, PlainTextAndItsShardsAreOneCorpus) {
  pack_text(config_, out_);
  for (const bool cross : {true, false}) {
    const TextConfig shards{.path = out_, .context = 50, .cross_documents = cross},
        plain{.path = text_, .context = 50, .documents = "paragraphs", .cross_documents = cross};
    const auto a = open_text(shards), b = open_text(plain);
    EXPECT_EQ(a->text(), b->text());
    for (const auto& [x, y] : {std::pair(a->samples(3), b->samples(3)), std::pair(a->held_out(), b->held_out())}) {
      ASSERT_GT(x->count(), 0);
      ASSERT_EQ(x->count(), y->count());
      for (std::int64_t n = 0; n < x->count(); ++n)
        EXPECT_EQ(std::get<Ids>(x->read(n, {}).tensors[0].numbers), std::get<Ids>(y->read(n, {}).tensors[0].numbers));
    }
  }
}

TEST_F(Pack, WhatIsHeldOutIsNotTrainedOn) {
  TextConfig c{.path = text_, .context = 32, .documents = "paragraphs", .held_out = 0.1};
  const StoredText corpus(c);
  const double all = double(corpus.store().tokens());
  EXPECT_NEAR(double(corpus.held_out_begin()), 0.9 * all, 0.05 * all);
  const auto ends = corpus.store().ends();
  EXPECT_NE(std::ranges::find(ends, corpus.held_out_begin()), ends.end());  // between two documents
  c.held_out = 0;
  EXPECT_EQ(StoredText(c).held_out()->count(), 0);
  c.documents = "files", c.held_out = 0.25;  // one document is cut
  EXPECT_EQ(StoredText(c).held_out_begin(), StoredText(c).store().tokens() * 3 / 4);
  c.context = 1 << 20;
  EXPECT_NE(sentence_of([&] {
              StoredText(c).samples(0);
            }).find("tokens to train on, too few for one sample of data.context=1048576"),
            std::string::npos);
}

}  // namespace
}  // namespace lact
