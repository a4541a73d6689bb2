// train.deterministic: every power-of-two split of samples and tokens trains to the bits of one process.
#include <gtest/gtest.h>

#include "base/check.hpp"
#include "parallel/together.hpp"
#include "support/ranks.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_run.hpp"
#include "train/layout.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

const std::atomic<bool> never = false;

// 3 held-out views over 4 played ranks of dp: no two ranks of one process may need different numbers of calls.
RunConfig config(const std::string& file, const std::string& run, int dp, int cp) {
  return RunConfig::load(file, {"run.dir=" + run, "train.deterministic=true", "train.steps=3", "train.batch_size=8",
                                "train.accumulate=2", "data.synthetic.scenes=1", "data.held_out=[5, 6, 7]",
                                "parallel.dp=" + std::to_string(dp), "parallel.cp=" + std::to_string(cp)});
}

TEST(Deterministic, EveryPowerOfTwoSplitHasTheBitsOfOneProcess) {
  const int ranks = world().size();
  TemporaryFolder folder;  // of each rank; runs lie in that of the first
  const std::string file = folder.write("tiny.yaml", tiny_config());
  const std::string shared = gathered(world(), folder.path()).front();
  if (world().rank() == 0) train(config(file, folder / "one", 1, 1), self_communicator(), never);
  for (int dp = 1; dp <= std::min(ranks, 4); dp *= 2) {
    const std::string run = shared + "/dp" + std::to_string(dp);
    train(config(file, run, dp, ranks / dp), world().split(0, world().rank(), "world"), never);
    if (world().rank() != 0) continue;
    EXPECT_EQ(told_by(run), told_by(folder / "one")) << "dp=" << dp;
    const auto got = numbers_in(newest_checkpoint(run)), want = numbers_in(newest_checkpoint(folder / "one"));
    ASSERT_EQ(got.size(), want.size());
    for (const auto& [name, bytes] : want) EXPECT_TRUE(got.at(name) == bytes) << name << " dp=" << dp;
  }
}

TEST(Deterministic, RefusesALayoutThatIsNoPartOfTheFinest) {
  const RunConfig c = RunConfig::from_overrides({"train.batch_size=6", "train.deterministic=true"});
  EXPECT_EQ(finest_layout(c, {{1, 2, 4, 1}}).size, (std::array{1, 2, 8, 1}));
  for (const Grid& g : {Grid{{1, 3, 1, 1}}, Grid{{1, 1, 3, 1}}, Grid{{2, 1, 1, 1}}, Grid{{1, 4, 1, 1}}})
    EXPECT_THROW(finest_layout(c, g), Error);
  const Grid finest{{1, 2, 8, 2}}, grid{{1, 2, 2, 2}};
  std::array<int, 8> played{};
  for (int r = 0; r < finest.ranks(); ++r) ++played.at(std::size_t(player_of(r, finest, grid)));
  for (int n : played) EXPECT_EQ(n, 4);
}

}  // namespace
}  // namespace lact
