// The order of updates and applications, as data.
#include <gtest/gtest.h>

#include "layers/fast_weights/plan.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(TttPlan, ViewsUpdateOnTheInputsAndApplyToAll) {
  EXPECT_EQ(text_of(plan_views(40, 20)), "U[0,40) A[0,60)");
  EXPECT_EQ(text_of(plan_views(40, 0)), "U[0,40) A[0,40)");
}

TEST(TttPlan, CausalAppliesAChunkBeforeItUpdates) {
  EXPECT_EQ(text_of(plan_causal(7, 3)), "A[0,3) U[0,3) A[3,6) U[3,6) A[6,7)");
  EXPECT_EQ(text_of(plan_causal(6, 3)), "A[0,3) U[0,3) A[3,6)") << "the last chunk, whole or not, is only applied";
  EXPECT_EQ(text_of(plan_causal(3, 3)), "A[0,3)");
  EXPECT_EQ(text_of(plan_causal(2, 3)), "A[0,2)");
  EXPECT_EQ(text_of(plan_causal(2, 1)), "A[0,1) U[0,1) A[1,2)");
  EXPECT_EQ(text_of(plan_causal(0, 3)), "A[0,0)");
  EXPECT_THROW(plan_causal(7, 0), Error);
  EXPECT_THROW(plan_causal(7, -3), Error);
}

TEST(TttPlan, CausalCoversEveryTokenOnceInOrder) {
  for (std::int64_t tokens = 1; tokens < 40; ++tokens)
    for (std::int64_t chunk = 1; chunk < 45; ++chunk) {
      std::int64_t applied = 0, updated = 0;
      for (const TttEvent& e : plan_causal(tokens, chunk)) {
        std::int64_t& done = e.kind == TttEvent::apply ? applied : updated;
        EXPECT_EQ(e.tokens.begin, done);
        EXPECT_TRUE(e.kind == TttEvent::apply || e.tokens.end == applied)
            << "an update sees nothing that was not applied before";
        done = e.tokens.end;
      }
      EXPECT_EQ(applied, tokens);
      EXPECT_TRUE(updated < tokens && tokens - updated <= chunk);
    }
}

TEST(TttPlan, RangesAreClippedToTheSequence) {
  const TttPlan plan{
      {TttEvent::update, {0, 99}}, {TttEvent::apply, {30, 50}}, {TttEvent::apply, {-3, 4}}, {TttEvent::update, {9, 5}}};
  EXPECT_EQ(text_of(clipped(plan, 20)), "U[0,20) A[20,20) A[0,4) U[5,5)");
  for (std::int64_t tokens : {0, 1, 7, 100})
    for (const TttEvent& e : clipped(plan, tokens))
      EXPECT_TRUE(0 <= e.tokens.begin && e.tokens.begin <= e.tokens.end && e.tokens.end <= tokens);
  EXPECT_EQ(clipped(plan_causal(17, 5), 17), plan_causal(17, 5));
  EXPECT_EQ(text_of(TttPlan{}), "");
}

}  // namespace
}  // namespace lact
