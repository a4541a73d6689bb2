// What is advised where a step does not fit: settings whose plans do.
#include "measure/memory_advice.hpp"

#include <gtest/gtest.h>

#include "measure/plan.hpp"
#include "support/small_plan.hpp"
#include "support/temporary_folder.hpp"
#include "tensor/out_of_memory.hpp"

namespace lact {
namespace {

RunConfig config() {
  RunConfig cfg = small_config(6, 8, 8);
  cfg.train.batch_size = 4, cfg.train.accumulate = 1;
  cfg.train.activation_checkpointing = false;
  return cfg;
}
double planned(const RunConfig& cfg, const Grid& grid) { return plan_layout(cfg, grid, any_machine()).largest.total(); }
bool holds(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

TEST(MemoryAdvice, NamesTheFirstSettingThatFits) {
  RunConfig cfg = config();
  const Grid one;
  const double all = planned(cfg, one);
  cfg.train.activation_checkpointing = true;
  const double inputs = planned(cfg, one);
  cfg.train.accumulate = 4;
  const double single = planned(cfg, one);
  ASSERT_LT(1.2 * inputs, all);
  ASSERT_LT(1.2 * single, inputs);
  const std::string checkpointed = what_fits(config(), 1, 1.1 * inputs), fewer = what_fits(config(), 1, 1.1 * single);
  EXPECT_TRUE(holds(checkpointed, "with train.activation_checkpointing=true")) << checkpointed;
  EXPECT_FALSE(holds(checkpointed, "accumulate")) << checkpointed;
  EXPECT_TRUE(holds(fewer, "train.activation_checkpointing=true train.accumulate=4")) << fewer;
}

TEST(MemoryAdvice, GoesOverToMoreRanksAndSaysWhenNothingFits) {
  RunConfig cfg = config();
  cfg.train.batch_size = 1;  // no samples to take one after the other
  cfg.train.activation_checkpointing = true;
  Grid four;
  four.size[std::size_t(Axis::cp)] = 4;
  const std::string more = what_fits(cfg, 1, 1.1 * planned(cfg, four));
  EXPECT_TRUE(holds(more, "cp=4 tp=1 on 4 ranks") || holds(more, "cp=2 tp=1 on 2 ranks")) << more;
  EXPECT_TRUE(holds(what_fits(cfg, 1, 1000), "no near setting fits"));
  EXPECT_TRUE(holds(what_fits(cfg, 1, 1e12), "other programs"));
}

TEST(MemoryAdvice, NamesWhatFillsTheMemoryOfTheHost) {
  const std::string said = sentence_of([] { with_memory_advice(config(), 1, [] { throw std::bad_alloc(); }); });
  for (const std::string word : {"memory of this host", "train.batch_size=4", "train.accumulate=1", "data.cache_mb="})
    EXPECT_TRUE(holds(said, word)) << said;
}

TEST(MemoryAdvice, StandsBehindTheSentenceOfTheDevice) {
  const RunConfig cfg = config();
  try {
    with_memory_advice(cfg, 1, [&] { throw OutOfMemory("out of memory: 3 MB asked", "here", 1000); });
    FAIL();
  } catch (const OutOfMemory& e) {
    EXPECT_EQ(e.what(), "out of memory: 3 MB asked; " + what_fits(cfg, 1, 1000));
  }
  EXPECT_THROW(with_memory_advice(cfg, 1, [] { fail("something else"); }), Error);
  int runs = 0;
  with_memory_advice(cfg, 1, [&] { ++runs; });
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace lact
