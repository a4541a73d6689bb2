#include "data/text/generated_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using Ids = std::vector<std::int32_t>;

const Ids& tokens(const Sample& s) { return std::get<Ids>(s.tensors[0].numbers); }
const Ids& targets(const Sample& s) { return std::get<Ids>(s.tensors[1].numbers); }

// As it is written, the first token left out and the last target put behind.
std::string text_of(const Sample& s) {
  Ids all(tokens(s).begin() + 1, tokens(s).end());
  if (targets(s).back() >= 0) all.push_back(targets(s).back());
  return ByteTokenizer().decode(all);
}
std::string targets_of(const Sample& s, Range r) {
  return ByteTokenizer().decode(std::span(targets(s)).subspan(std::size_t(r.begin), std::size_t(r.size())));
}

TEST(GeneratedText, IsWhatAConfigWithoutAPathMeans) {
  const auto corpus = open_text({.context = 100});
  EXPECT_EQ(corpus->vocabulary(), 258);
  EXPECT_EQ(corpus->tokenizer().name(), "bytes");
  const auto samples = corpus->samples(1);
  const Sample s = samples->read(12345678901, {});
  ASSERT_EQ(tokens(s).size(), 100u);
  EXPECT_EQ(tokens(s)[0], corpus->tokenizer().bos());
  for (std::size_t i = 0; i + 1 < 100; ++i) EXPECT_EQ(targets(s)[i], tokens(s)[i + 1]);
  EXPECT_EQ(samples->valid({3, 10}), 700);
  EXPECT_EQ(corpus->held_out()->count(), 32);
}

TEST(GeneratedText, DiffersBetweenNumbersSeedsAndWhatIsHeldOut) {
  const auto corpus = open_text({.context = 64});
  std::set<Ids> seen;
  for (const std::uint64_t seed : {0, 1})
    for (std::int64_t n = 0; n < 32; ++n) seen.insert(tokens(corpus->samples(seed)->read(n, {})));
  for (std::int64_t n = 0; n < 32; ++n) seen.insert(tokens(corpus->held_out()->read(n, {})));
  EXPECT_EQ(seen.size(), 96u);
  EXPECT_EQ(tokens(corpus->samples(1)->read(7, {})), tokens(open_text({.context = 64})->samples(1)->read(7, {})));
}

TEST(GeneratedText, EveryAnswerSpellsTheValueStatedSoManyTokensBefore) {
  for (const std::int64_t context : {200, 1024, 5001}) {
    const GeneratedText corpus({.context = context});
    std::int64_t answers = 0;
    for (std::int64_t n = 0; n < 8; ++n) {
      const AnsweredSample a = corpus.held_out_answers(n);
      EXPECT_EQ(tokens(a.sample), tokens(corpus.held_out()->read(n, {})));
      const std::string text = text_of(a.sample);
      answers += std::int64_t(a.answers.size());
      for (const Answer& x : a.answers) {
        const std::string value = targets_of(a.sample, x.targets),
                          key = text.substr(std::size_t(x.targets.begin) - 4, 3);
        EXPECT_EQ(value, text.substr(std::size_t(x.targets.begin), 2));
        EXPECT_EQ(text.find("[" + key + "=" + value + "] "), std::size_t(x.targets.begin - x.distance - 5));
        EXPECT_EQ(text.substr(std::size_t(x.targets.begin) - 5, 5), "[" + key + "?");
      }
    }
    EXPECT_GT(answers, 8 * 12 * context / 1024 / 2);
  }
}

TEST(GeneratedText, AnswersAreAskedAtManyDistances) {
  const GeneratedText corpus({.context = 4096});
  std::map<int, int> by_power;
  for (std::int64_t n = 0; n < 20; ++n)
    for (const Answer& a : corpus.held_out_answers(n).answers) ++by_power[int(std::log2(double(a.distance)))];
  for (int power = 5; power < 11; ++power) EXPECT_GT(by_power[power], 30) << power;
}

TEST(GeneratedText, WordsFollowEachOtherAsTheLanguageSays) {
  const GeneratedLanguage language(3, 50);
  std::set<std::string> words;
  for (std::int64_t w = 0; w < 50; ++w) words.insert(language.word(w));
  EXPECT_EQ(words.size(), 50u);
  std::map<std::int64_t, int> count;
  for (int i = 0; i < 10000; ++i) ++count[language.next(7, (i + 0.5) / 10000)];
  int most = 0;
  for (const auto& [word, times] : count) most = std::max(most, times);
  EXPECT_GE(most, 3600);
  EXPECT_EQ(count.size() >= 50, true);
}

TEST(GeneratedText, ANeedleIsAskedAtTheEndAndNothingElseIsATarget) {
  const GeneratedText corpus({});
  for (const auto& [context, distance] : {std::pair{16, 9}, {1000, 500}, {1000, 993}, {65536, 40000}}) {
    const AnsweredSample a = corpus.needle(context, distance, 5);
    ASSERT_EQ(std::int64_t(tokens(a.sample).size()), context);
    EXPECT_EQ(a.answers, (std::vector<Answer>{{{context - 2, context}, distance}}));
    for (std::int64_t i = 0; i < context - 2; ++i) ASSERT_EQ(targets(a.sample)[std::size_t(i)], -1);
    const std::string text = text_of(a.sample), value = targets_of(a.sample, a.answers[0].targets);
    const std::string key = text.substr(std::size_t(context) - 6, 3);
    EXPECT_EQ(text.find("[" + key + "=" + value + "] "), std::size_t(context - 2 - distance - 5));
    EXPECT_EQ(text.substr(std::size_t(context) - 7), "[" + key + "?" + value);
    EXPECT_EQ(std::ranges::count(text, '['), 2);
  }
  EXPECT_EQ(sentence_of([&] { corpus.needle(100, 94, 0); }),
            "a needle in 100 tokens of text is asked 9 to 93 tokens later, not 94");
  EXPECT_EQ(sentence_of([&] { corpus.needle(100, 8, 0); }),
            "a needle in 100 tokens of text is asked 9 to 93 tokens later, not 8");
}

TEST(GeneratedText, ImpossibleKeysAreNamed) {
  EXPECT_EQ(sentence_of([] { open_text({.context = 0}); }), "data.context is 0; a sample has 1 to 268435456 tokens");
  EXPECT_EQ(sentence_of([] { open_text({.held_out = 1}); }), "data.held_out is 1; a share is at least 0 and below 1");
  EXPECT_EQ(sentence_of([] { open_text({.documents = "words"}); }),
            "data.documents=words: files, paragraphs and lines are known");
  EXPECT_EQ(sentence_of([] { open_text({.generated = {.words = 1}}); }),
            "data.generated.words is 1; a generated language has 2 to 4096 words");
  EXPECT_EQ(sentence_of([] { open_text({.tokenizer = "a.json"}); }),
            "data.tokenizer=a.json: generated text is made of bytes; leave it empty, or set data.path");
}

TEST(GeneratedText, OfOneTokenAndWithoutFactsIsText) {
  const GeneratedText corpus({.context = 1, .generated = {.facts = 0}});
  EXPECT_EQ(tokens(corpus.samples(0)->read(0, {})), (Ids{256}));
  EXPECT_TRUE(corpus.held_out_answers(0).answers.empty());
}

}  // namespace
}  // namespace lact
