#include "data/text/text_samples.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using Ids = std::vector<std::int32_t>;

// Documents of these lengths; token number i of the whole is i.
std::shared_ptr<const TokenStore> counted(const std::vector<std::int64_t>& lengths) {
  auto store = std::make_shared<TokensInMemory>("corpus");
  std::int32_t next = 0;
  for (const std::int64_t length : lengths) {
    Ids document(static_cast<std::size_t>(length));
    std::iota(document.begin(), document.end(), next);
    next += std::int32_t(length);
    store->add(document);
  }
  return store;
}

const Ids& ids(const Sample& s, std::size_t tensor) { return std::get<Ids>(s.tensors[tensor].numbers); }
const Ids& tokens(const Sample& s) { return ids(s, 0); }
const Ids& targets(const Sample& s) { return ids(s, 1); }

double counted_targets(const Sample& s) {
  return double(std::ranges::count_if(targets(s), [](std::int32_t t) { return t >= 0; }));
}

StoredSamples samples_of(const std::vector<std::int64_t>& lengths, Range part, std::int64_t context, bool cross,
                         std::optional<std::uint64_t> seed) {
  return {counted(lengths), part, {.context = context, .cross_documents = cross}, 99, seed};
}

TEST(TextSamples, TargetsAreTheNextTokens) {
  const StoredSamples s = samples_of({20}, {0, 20}, 5, true, {});
  EXPECT_EQ(s.count(), 3);
  const Sample second = s.read(1, {});
  EXPECT_EQ(second.tensors[0].name, "tokens");
  EXPECT_EQ(second.tensors[1].name, "targets");
  EXPECT_EQ(second.tensors[0].shape, (Shape{5}));
  EXPECT_EQ(tokens(second), (Ids{5, 6, 7, 8, 9}));
  EXPECT_EQ(targets(second), (Ids{6, 7, 8, 9, 10}));
}

TEST(TextSamples, AnEpochPredictsEveryTokenAtMostOnceAndInAnOrderOfItsOwn) {
  const StoredSamples s = samples_of({31, 4, 70}, {0, 105}, 7, true, 5);
  std::map<std::int64_t, Ids> orders;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    std::set<std::int32_t> seen;
    for (std::int64_t i = 0; i < s.count(); ++i) {
      const Ids t = targets(s.read(epoch * s.count() + i, {}));
      orders[epoch].push_back(t[0]);
      for (const std::int32_t id : t) EXPECT_TRUE(seen.insert(id).second);
    }
    EXPECT_EQ(std::int64_t(seen.size()), 7 * s.count());
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
}

TEST(TextSamples, TokensLeftOverTakeTheirTurnInOtherEpochs) {
  const StoredSamples s = samples_of({18}, {0, 18}, 10, true, 1);  // one sample and seven tokens more
  std::set<std::int32_t> begins;
  for (std::int64_t n = 0; n < 100; ++n) begins.insert(tokens(s.read(n, {}))[0]);
  EXPECT_EQ(begins, (std::set<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(TextSamples, WithoutCrossingASampleHoldsOneDocumentAndNothingBehindIt) {
  const StoredSamples s = samples_of({7, 1, 4}, {0, 12}, 3, false, {});
  ASSERT_EQ(s.count(), 3);  // the document of one token predicts nothing
  EXPECT_EQ(tokens(s.read(0, {})), (Ids{0, 1, 2}));
  EXPECT_EQ(targets(s.read(0, {})), (Ids{1, 2, 3}));
  EXPECT_EQ(tokens(s.read(1, {})), (Ids{3, 4, 5}));
  EXPECT_EQ(targets(s.read(1, {})), (Ids{4, 5, 6}));
  EXPECT_EQ(tokens(s.read(2, {})), (Ids{8, 9, 10}));
  EXPECT_EQ(targets(s.read(2, {})), (Ids{9, 10, 11}));
  const StoredSamples longer = samples_of({7, 1, 4}, {0, 12}, 5, false, {});
  EXPECT_EQ(tokens(longer.read(1, {})), (Ids{5, 6, 99, 99, 99}));
  EXPECT_EQ(targets(longer.read(1, {})), (Ids{6, -1, -1, -1, -1}));
  EXPECT_EQ(tokens(longer.read(2, {})), (Ids{8, 9, 10, 11, 99}));
  EXPECT_EQ(targets(longer.read(2, {})), (Ids{9, 10, 11, -1, -1}));
}

TEST(TextSamples, ValidCountsTheTargetsWithoutReadingThem) {
  for (const bool cross : {true, false})
    for (const std::int64_t context : {1, 3, 8}) {
      const StoredSamples s = samples_of({9, 1, 2, 30, 3}, {0, 45}, context, cross, 3);
      for (const Range r : {Range{0, 5}, Range{2, 2}, Range{7, 40}}) {
        double sum = 0;
        for (std::int64_t n = r.begin; n < r.end; ++n) sum += counted_targets(s.read(n, {}));
        EXPECT_EQ(s.valid(r), sum);
      }
    }
}

TEST(TextSamples, StayInTheirPartOfTheCorpus) {
  for (const bool cross : {true, false}) {
    const StoredSamples s = samples_of({10, 10, 10}, {13, 26}, 4, cross, 3);
    for (std::int64_t n = 0; n < 3 * s.count(); ++n)
      for (const Ids& all : {tokens(s.read(n, {})), targets(s.read(n, {}))})
        for (const std::int32_t id : all) EXPECT_TRUE(id == -1 || id == 99 || (id >= 13 && id < 26)) << id;
  }
}

TEST(TextSamples, ASampleIsAFunctionOfItsNumberAndTheSeed) {
  const StoredSamples a = samples_of({50, 60}, {0, 110}, 5, false, 3), b = samples_of({50, 60}, {0, 110}, 5, false, 3),
                      other = samples_of({50, 60}, {0, 110}, 5, false, 4);
  int different = 0;
  b.read(90, {});  // whatever was read before
  for (std::int64_t n = 40; n-- > 0;) {
    EXPECT_EQ(tokens(a.read(n, {})), tokens(b.read(n, {})));
    different += tokens(a.read(n, {})) != tokens(other.read(n, {}));
  }
  EXPECT_GT(different, 20);
}

TEST(TextSamples, BeyondTheLastHeldOutOneThereIsNone) {
  const StoredSamples s = samples_of({20}, {0, 20}, 5, true, {});
  EXPECT_EQ(sentence_of([&] { s.read(3, {}); }), "corpus: there is no sample 3 among 3");
  const StoredSamples none = samples_of({}, {0, 0}, 5, true, {});
  EXPECT_EQ(none.count(), 0);
  EXPECT_EQ(sentence_of([&] { none.read(0, {}); }), "corpus: there is no sample 0 among 0");
}

}  // namespace
}  // namespace lact
