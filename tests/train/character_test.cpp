// The scanned object that the repository's config is for: it loads, it trains, and its last eight views stay out of it.
#include <gtest/gtest.h>

#include "support/command.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

TEST(Character, TrainsOnItsFirstFiftySixViews) {
  const TemporaryFolder folder;
  const std::string run = folder / "run";
  const Outcome o = run_lact({"train", "configs/nvs/character_64.yaml", "data.path=../shared/data/gso_character",
                              "run.dir=" + run, "train.steps=25", "train.warmup=5", "train.eval_every=0"});
  ASSERT_EQ(o.status, 0) << o.err;
  const auto rows = training_rows(run);
  ASSERT_EQ(rows.size(), 25u);
  double first = 0, last = 0;
  for (std::size_t i = 0; i < 5; ++i) first += rows[i]["loss"].number(), last += rows[20 + i]["loss"].number();
  EXPECT_LT(last, first / 2);

  const Json lists = Json::read(run + "/views.json");
  ASSERT_EQ(lists.size(), 1);
  EXPECT_EQ(lists.at(0)["scene"].text(), "gso_character");
  Json train = Json::array(), held_out = Json::array();
  for (int v = 0; v < 56; ++v) train.push(v);
  for (int v = 56; v < 64; ++v) held_out.push(v);
  EXPECT_EQ(lists.at(0)["train"].dump(), train.dump());
  EXPECT_EQ(lists.at(0)["held_out"].dump(), held_out.dump());
}

}  // namespace
}  // namespace lact
