// Sweeps and comparisons by the program, as a user starts it.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "files/json.hpp"
#include "files/whole_file.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class Sweeps : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string config() const { return folder_.write("tiny.yaml", tiny_config()); }
  std::string language() const {
    return folder_.write("language.yaml", R"(task: language
model: {hidden_size: 16, num_hidden_layers: 1, num_attn_heads: 2, num_lact_heads: 2, lact_chunk_size: 16, window_size: 16,
        intermediate_size: 16, gla: {num_heads: 2}}
data: {context: 200, eval_samples: 3, generated: {held_out: 3}}
train: {steps: 4, batch_size: 1, warmup: 1, checkpoint_seconds: 0, eval_every: 2}
compute: {threads: 1, device: cpu}
)");
  }
  Outcome sweep(const std::string& config, Words words) const {
    words.insert(words.begin(), {"sweep", config, "run.dir=" + out(), "--json"});
    return run_lact(words);
  }
  std::string out() const { return folder_ / "sweep"; }
  static Json runs_in(const Outcome& o) { return Json::parse(o.out, "stdout")["runs"]; }
};

TEST_F(Sweeps, TrainsEachCombinationOnceAndGoesOn) {
  const Words words{"train.lr=1e-3,1e-4", "train.steps=3", "train.batch_size=1", "train.accumulate=1"};
  const Outcome first = sweep(config(), words);
  ASSERT_EQ(first.status, 0) << first.err;
  const Json runs = runs_in(first);
  ASSERT_EQ(runs.size(), 2);
  EXPECT_EQ(runs.at(0)["name"].text(), "lr=1e-3");
  EXPECT_EQ(runs.at(1)["steps"].integer(), 3);
  EXPECT_EQ(runs.at(1)["parameters"].integer(), 19379);
  EXPECT_TRUE(runs.at(0).has("eval_psnr"));
  EXPECT_EQ(steps_done(out() + "/lr=1e-3"), 3);
  EXPECT_NE(first.err.find("2 of 2: lr=1e-4"), std::string::npos) << first.err;
  for (const std::string made : {"sweep.json", "sweep.html", "sweep.svg", "sweep.png"})
    EXPECT_TRUE(fs::exists(out() + "/" + made)) << made;
  EXPECT_NE(read_text(out() + "/sweep.svg", 1 << 22).find("by train.lr"), std::string::npos);
  // once more: nothing is trained, the same is told
  const auto trained = fs::last_write_time(out() + "/lr=1e-3/train.log");
  const Outcome again = sweep(config(), words);
  EXPECT_EQ(again.out, first.out);
  EXPECT_EQ(fs::last_write_time(out() + "/lr=1e-3/train.log"), trained);
  // and with more steps each goes on
  const Outcome longer =
      sweep(config(), {"train.lr=1e-3,1e-4", "train.steps=5", "train.batch_size=1", "train.accumulate=1"});
  ASSERT_EQ(longer.status, 0) << longer.err;
  EXPECT_EQ(training_rows(out() + "/lr=1e-4").size(), 5u);
}

TEST_F(Sweeps, OneThatFailsIsNamedAndTheOthersGoOn) {
  const Outcome o = sweep(language(), {"model.model_type=no_such,gla", "train.seed=7"});
  EXPECT_EQ(o.status, 1);
  const Json runs = runs_in(o);
  EXPECT_FALSE(runs.at(0)["ok"].boolean());
  EXPECT_NE(runs.at(0)["why"].text().find("no_such"), std::string::npos) << runs.at(0)["why"].text();
  EXPECT_TRUE(runs.at(1)["ok"].boolean());
  EXPECT_TRUE(runs.at(1).has("eval_loss"));
}

TEST_F(Sweeps, KilledAtAnyMomentGoesOnWhereItWas) {
  const Words words{"train.seed=0,1", "train.steps=300", "train.eval_every=0"};
  const std::string config = language(), run = out() + "/seed=0", report = run + "/metrics.jsonl";
  {
    Process sweep({"sweep", config, "run.dir=" + out(), words[0], words[1], words[2]});
    ASSERT_TRUE(comes_true([&] { return fs::exists(report) && fs::file_size(report) > 600; }));
    sweep.send(SIGKILL);
    EXPECT_EQ(sweep.wait().status, 128 + SIGKILL);
  }
  ASSERT_TRUE(comes_true([&] { return !newest_checkpoint(run).empty(); })) << "its run saves and ends by itself";
  const std::int64_t done = steps_done(run);
  EXPECT_GT(done, 0);
  EXPECT_LT(done, 300);
  const Outcome o = sweep(config, words);
  ASSERT_EQ(o.status, 0) << o.err;
  const std::string told = read_text(run + "/train.log", 1 << 20);
  EXPECT_NE(told.find("going on at step " + std::to_string(done)), std::string::npos) << told;
  EXPECT_EQ(training_rows(run).size(), 300u);
  EXPECT_EQ(steps_done(out() + "/seed=1"), 300);
}

TEST_F(Sweeps, RefusesWhatIsNoSweep) {
  const std::string config = language();
  expect_refused(folder_.path(), {"sweep", config, "train.steps=2"}, {"no key has several values"});
  expect_refused(folder_.path(), {"sweep", config, "task=language,view_synthesis"}, {"task cannot be swept"});
  expect_refused(folder_.path(), {"sweep", config, "train.seed=0,1", "ranks=0"}, {"ranks=0"});
}

TEST_F(Sweeps, RunsOfLanguageAreComparedInOneTableAndOnePicture) {
  ASSERT_EQ(sweep(language(), {"model.model_type=lact_swiglu,gla"}).status, 0);
  const std::string a = out() + "/model_type=lact_swiglu", b = out() + "/model_type=gla", svg = folder_ / "both.svg";
  EXPECT_TRUE(fs::exists(a + "/evaluation.html"));
  EXPECT_TRUE(fs::exists(a + "/images/step_00000004.png"));
  const Outcome o = run_lact({"eval", a, b, "picture=" + svg, "data.needle=[40,200]"});
  ASSERT_EQ(o.status, 0) << o.err;
  for (const std::string word : {"parameters", "state per layer", "MFLOP per token", "eval_perplexity",
                                 "loss by position", "recall by distance", "eval_needles_in_200", "in 40 tokens"})
    EXPECT_NE(o.out.find(word), std::string::npos) << word << "\n" << o.out;
  const std::string drawn = read_text(svg, 1 << 22);
  EXPECT_NE(drawn.find(a), std::string::npos);
  EXPECT_NE(drawn.find(b), std::string::npos);
  EXPECT_TRUE(fs::exists(folder_ / "both.png"));
  expect_refused(folder_.path(), {"eval", a, "picture=" + (folder_ / "both.gif")}, {".svg"});
}

}  // namespace
}  // namespace lact
