// Tokenizers from files, against what the originals make of nasty texts (make_tokenizers.py).
#include <gtest/gtest.h>

#include <set>

#include "data/text/text_corpus.hpp"
#include "data/text/tokenizer.hpp"
#include "files/json.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using Ids = std::vector<std::int32_t>;

const std::string folder = "tests/data/text/";
const std::vector<std::string> all_files = {"gpt2.json",      "nfc.json",    "llama3.json", "llama2.json",
                                            "metaspace.json", "pieces.json", "bpe.model",   "unigram.model"};
const std::vector<std::string> lossless = {"gpt2.json", "llama3.json", "llama2.json", "bpe.model"};

Ids ids_of(const Json& list) {
  Ids ids;
  for (const Json& id : list.items()) ids.push_back(std::int32_t(id.integer()));
  return ids;
}

class EveryTokenizer : public testing::TestWithParam<std::string> {
 protected:
  EveryTokenizer()
      : expected_(Json::read(folder + "expected_ids.json")), tokenizer_(open_tokenizer(folder + GetParam())) {}
  Json expected_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_P(EveryTokenizer, GivesTheIdsOfTheOriginal) {
  const Json texts = expected_["texts"], ids = expected_["ids"][GetParam()];
  for (std::int64_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(tokenizer_->encode(texts.at(i).text()), ids_of(ids.at(i))) << GetParam() << ": " << texts.at(i).dump();
}

TEST_P(EveryTokenizer, DecodesAsTheOriginal) {
  const Json ids = expected_["ids"][GetParam()], decoded = expected_["decoded"][GetParam()];
  for (std::int64_t i = 0; i < ids.size(); ++i)
    EXPECT_EQ(tokenizer_->decode(ids_of(ids.at(i))), decoded.at(i).text()) << GetParam() << ": " << i;
}

TEST_P(EveryTokenizer, HasNoIdsBeyondItsVocabulary) {
  const std::int64_t n = tokenizer_->vocabulary();
  const Json ids = expected_["ids"][GetParam()];
  for (const Json& text : ids.items())
    for (const std::int32_t id : ids_of(text)) EXPECT_LT(id, n);
  EXPECT_EQ(sentence_of([&] { tokenizer_->decode(Ids{std::int32_t(n)}); }),
            folder + GetParam() + ": there is no token " + std::to_string(n) + " among " + std::to_string(n));
  EXPECT_NE(sentence_of([&] { tokenizer_->decode(Ids{0, -1}); }), "no error");
}

std::string title_of(const testing::TestParamInfo<std::string>& file) {
  return file.param.substr(0, file.param.find('.')) + "_" + file.param.substr(file.param.find('.') + 1);
}
INSTANTIATE_TEST_SUITE_P(Files, EveryTokenizer, testing::ValuesIn(all_files), title_of);

TEST(Tokenizers, BytesThatAreNoTextComeBack) {
  const std::vector<std::string> texts = {"\xff",
                                          "a\xff"
                                          "b",
                                          "the \xe2\x82 word",
                                          "\xc3\xa9\xc3 \xf0\x9f\x98",
                                          std::string("\0\x80\xfe the", 8),
                                          "the\xed\xa0\x80\xf4\x90\x80\x80 end"};
  for (const std::string& file : lossless) {
    const auto t = open_tokenizer(folder + file);
    for (const std::string& text : texts) EXPECT_EQ(t->decode(t->encode(text)), text) << file;
  }
}

TEST(Tokenizers, KnowWhatDocumentsBeginAndEndWith) {
  const auto gpt2 = open_tokenizer(folder + "gpt2.json"), llama3 = open_tokenizer(folder + "llama3.json"),
             llama2 = open_tokenizer(folder + "llama2.json"), bpe = open_tokenizer(folder + "bpe.model");
  EXPECT_EQ(gpt2->bos(), -1);
  EXPECT_EQ(gpt2->eos(), 0);
  EXPECT_EQ(llama3->bos(), 0);
  EXPECT_EQ(llama3->eos(), 1);
  for (const auto& t : {llama2, bpe}) {
    EXPECT_EQ(t->bos(), 1);
    EXPECT_EQ(t->eos(), 2);
  }
  EXPECT_EQ(gpt2->document("").size(), 1u);
}

TEST(Tokenizers, AreToldApartByTheirFingerprints) {
  std::set<std::string> seen{open_tokenizer({})->fingerprint()};
  for (const std::string& file : all_files) {
    EXPECT_TRUE(seen.insert(open_tokenizer(folder + file)->fingerprint()).second);
    EXPECT_EQ(open_tokenizer(folder + file)->fingerprint(), open_tokenizer(folder + file)->fingerprint());
  }
}

// --- Files that are not what they should be ---

std::string content(const std::string& name) {
  std::ifstream file(folder + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What is said of a file with `from` exchanged for `to`, its path left out.
std::string said_of(const std::string& name, const std::string& from, const std::string& to) {
  const TemporaryFolder f;
  std::string text = content(name);
  const std::size_t at = text.find(from);
  check(at != text.npos, "'{}' does not stand in {}", from, name);
  const std::string path = f.write("t.json", text.replace(at, from.size(), to));
  const std::string said = sentence_of([&] { open_tokenizer(path); });
  return said.starts_with(path) ? said.substr(path.size()) : said;
}

TEST(Tokenizers, WhatIsNotKnownIsNamed) {
  EXPECT_EQ(said_of("gpt2.json", R"("normalizer": null)", R"("normalizer": {"type": "NFKD"})"),
            ": normalizer: the normalizer NFKD is not known; NFC, Prepend, Replace and Sequence are");
  EXPECT_EQ(said_of("gpt2.json", R"("type": "BPE")", R"("type": "WordPiece")"),
            ": its model is WordPiece; BPE is known");
  EXPECT_EQ(said_of("gpt2.json", R"("type": "ByteLevel")", R"("type": "Punctuation")"),
            ": pre_tokenizer: the pre-tokenizer Punctuation is not known; ByteLevel, Digits, Metaspace, Sequence and "
            "Split are");
  EXPECT_EQ(said_of("gpt2.json", R"("dropout": null)", R"("dropout": 0.1)"),
            ": model.dropout would make its tokens random");
  EXPECT_EQ(said_of("gpt2.json", R"("single_word": false)", R"("single_word": true)"),
            ": added_tokens[0]: added tokens that are single words are not known");
  EXPECT_EQ(said_of("llama3.json", R"("behavior": "Isolated")", R"("behavior": "Odd")"),
            ": pre_tokenizer.pretokenizers[0]: the behavior 'Odd' is not known");
}

TEST(Tokenizers, DamagedFilesAreNamed) {
  EXPECT_EQ(said_of("gpt2.json", R"("id": 0)", R"("id": -1)"),
            ": added_tokens[0].id: -1 is no id of a token, which are below 1048576");
  EXPECT_EQ(said_of("gpt2.json", R"("id": 0)", R"("id": 99999999)"),
            ": added_tokens[0].id: 99999999 is no id of a token, which are below 1048576");
  EXPECT_EQ(said_of("gpt2.json", R"("id": 0)", R"("id": 1)"), ": added_tokens[0]: token 1 is '!' and '<|endoftext|>'");
  EXPECT_EQ(said_of("llama2.json", R"("unk_token": "<unk>")", R"("unk_token": "nowhere")"),
            ": model.unk_token 'nowhere' is not in its vocabulary");
  EXPECT_NE(said_of("llama3.json", R"(\\p{N}{1,3})", R"(\\p{N}{1,3)(()"), "no error");
  EXPECT_NE(
      said_of("gpt2.json", R"("merges": [)", R"("merges": [["no", "where"], )").find(": 'no' is not in the vocabulary"),
      std::string::npos);
  EXPECT_NE(said_of("gpt2.json", R"("merges": [)", R"("merges": [["no"], )").find(": a merge is two symbols"),
            std::string::npos);
  const TemporaryFolder f;
  for (const std::string& name : all_files) {
    const std::string whole = content(name);
    for (const std::size_t size : {std::size_t(0), std::size_t(1), whole.size() / 2, whole.size() - 3}) {
      const std::string path = f.write(name, whole.substr(0, size));
      const std::string said = sentence_of([&] { open_tokenizer(path); });
      EXPECT_TRUE(said.starts_with(path + ": ")) << name << " " << size << ": " << said;
    }
  }
  const TemporaryFolder empty;
  EXPECT_EQ(sentence_of([&] { open_tokenizer(empty.path()); }),
            empty.path() + ": is a folder that holds neither tokenizer.json nor tokenizer.model");
}

TEST(Tokenizers, AModelWhoseTableLeadsOutOfItselfIsRefused) {
  const TemporaryFolder f;
  const std::string whole = content("unigram.model");
  int refused = 0;
  for (std::size_t i = 0; i < whole.size();
       i += 7) {  // any byte may be anything: an error or a tokenizer, never a crash
    std::string damaged = whole;
    damaged[i] = char(damaged[i] ^ 0xff);
    const std::string path = f.write("t.model", damaged);
    refused += sentence_of([&] { open_tokenizer(path)->encode("e\xcc\x81 \xc2\xbd a\xc2\xa0z"); }) != "no error";
  }
  EXPECT_GT(refused, 10);
}

TEST(Tokenizers, APatternThatTakesForeverIsAnError) {
  const TemporaryFolder f;
  const std::string path = f.write("t.json", R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
    "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+[bc]"}, "behavior": "Isolated"}})");
  EXPECT_EQ(open_tokenizer(path)->encode("aaa").size(), 3u);
  EXPECT_NE(sentence_of([&] {
              open_tokenizer(path)->encode(std::string(60, 'a'));
            }).find("its pattern cannot be searched for"),
            std::string::npos);
}

TEST(TokenizerOf, IsKnownWithoutReadingTheText) {
  TextConfig config;
  EXPECT_EQ(tokenizer_of(config)->name(), "bytes");
  config.path = "tests/data/text";  // plain text, as far as anybody asks
  EXPECT_EQ(tokenizer_of(config)->name(), "bytes");
  config.tokenizer = "tests/data/text/gpt2.json";
  EXPECT_EQ(tokenizer_of(config)->fingerprint(), open_tokenizer(config.tokenizer)->fingerprint());
  config.path = "tests/data/text/none";
  EXPECT_NE(sentence_of([&] { tokenizer_of(config); }).find("tests/data/text/none: there is no such file"),
            std::string::npos);
}

}  // namespace
}  // namespace lact
