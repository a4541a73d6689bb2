// Which combinations a sweep has, and what their folders are called.
#include "app/combinations.hpp"

#include <gtest/gtest.h>

#include "base/check.hpp"

namespace lact {
namespace {

using Words = std::vector<std::string>;

TEST(Combinations, CommasInsideBracketsOrBehindABackslashPartNothing) {
  EXPECT_EQ(values_in("a,b"), (Words{"a", "b"}));
  EXPECT_EQ(values_in("[1,2],[3]"), (Words{"[1,2]", "[3]"}));
  EXPECT_EQ(values_in("[[1,2],[3,4]]"), (Words{"[[1,2],[3,4]]"}));
  EXPECT_EQ(values_in("a\\,b"), (Words{"a,b"}));
  EXPECT_EQ(values_in(""), (Words{""}));
  EXPECT_EQ(values_in("a,"), (Words{"a", ""}));
}

TEST(Combinations, LastKeyChangesFastest) {
  Words pairs{"train.lr=1,2", "train.steps=3", "train.seed=0,1"};
  const auto keys = taken_keys(pairs);
  EXPECT_EQ(pairs, (Words{"train.steps=3"}));
  Words names;
  for (const Combination& c : combinations_of(keys)) names.push_back(c.name);
  EXPECT_EQ(names, (Words{"lr=1_seed=0", "lr=1_seed=1", "lr=2_seed=0", "lr=2_seed=1"}));
}

TEST(Combinations, OfEqualKeysTheLastHolds) {
  Words pairs{"a=1,2", "b=3", "a=4", "b=5,6"};
  const auto keys = taken_keys(pairs);
  EXPECT_EQ(pairs, (Words{"a=4"}));
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].key, "b");
}

TEST(Combinations, KeysWithOneEndingKeepTheirWholeName) {
  Words pairs{"model.gla.num_heads=1,2", "model.delta_net.num_heads=3,4"};
  EXPECT_EQ(combinations_of(taken_keys(pairs))[0].name, "model.gla.num_heads=1_model.delta_net.num_heads=3");
}

TEST(Combinations, NamesAreNamesOfFiles) {
  Words pairs{"data.path=/a/b c,/d", "data.image_size=[16,16],[8,8]"};
  for (const Combination& c : combinations_of(taken_keys(pairs)))
    EXPECT_EQ(c.name.find_first_of("/ []"), std::string::npos) << c.name;
}

TEST(Combinations, OneFolderForTwoIsRefused) {
  Words equal{"a=1,1"}, alike{"a=x/y,x y"};
  EXPECT_THROW(combinations_of(taken_keys(equal)), Error);
  EXPECT_THROW(combinations_of(taken_keys(alike)), Error);
}

TEST(Combinations, NumbersAreTold) {
  EXPECT_TRUE((SweptKey{"a", {"1e-3", "2", "-0.5"}}).numeric());
  EXPECT_FALSE((SweptKey{"a", {"1", "2x"}}).numeric());
  EXPECT_FALSE((SweptKey{"a", {"1", ""}}).numeric());
}

}  // namespace
}  // namespace lact
