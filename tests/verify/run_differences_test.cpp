// What two runs differ in is named by the first part that does: a loss, an evaluation, a checkpoint's parameter.
#include "verify/run_differences.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/check.hpp"
#include "files/whole_file.hpp"
#include "parallel/world.hpp"
#include "run/checkpoint.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_run.hpp"
#include "train/trainer.hpp"
#include "verify/step_record.hpp"

namespace lact {
namespace {

class RunDifferences : public testing::Test {
 protected:
  void SetUp() override {
    train(config("one"), self_communicator(), never_);
    record_gradients(config("one"), self_communicator(), leg_.gradients, DType::f32);
    for (const GradientDifference& d : gradient_differences(config("one"), leg_.gradients, leg_.gradients)) {
      EXPECT_EQ(d.value, 0) << d.name;
      bounds_.gradient[d.name] = 1e-5;
    }
    for (std::int64_t n = 0; n < leg_.steps.end; ++n) leg_.rates += config("one").train.rate_at(n);
  }
  RunConfig config(const std::string& run, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> keys{"run.dir=" + folder_ / run, "train.steps=2"};
    keys.insert(keys.end(), more.begin(), more.end());
    return RunConfig::load(file_, keys);
  }
  // The first part beyond its bound, "" where there is none.
  std::string first_of(const std::string& run) const {
    const std::string mine = folder_ / run, one = folder_ / "one";
    for (const auto& parts :
         {loss_differences(mine, one, leg_, bounds_), evaluation_differences(mine, one, leg_, bounds_),
          checkpoint_differences(config("one"), mine, one, leg_, bounds_)}) {
      EXPECT_FALSE(parts.empty());
      for (const RunDifference& d : parts)
        if (!d.ok()) return d.part;
    }
    return "";
  }
  std::string copied(const std::string& name) const {
    std::filesystem::copy(folder_ / "one", folder_ / name, std::filesystem::copy_options::recursive);
    return folder_ / name;
  }
  // A number of the row of metrics.jsonl that has this key, the n-th such.
  void rewrite(const std::string& run, const std::string& key, std::size_t n, const std::string& value) const {
    const std::string path = run + "/metrics.jsonl", before = "\"" + key + "\":";
    std::string text = read_text(path, 1 << 20);
    std::size_t at = text.find(before);
    for (; n > 0; --n) at = text.find(before, at + 1);
    ASSERT_NE(at, std::string::npos) << text;
    at += before.size();
    write_whole(path, text.replace(at, text.find_first_of(",}", at) - at, value));
  }

  TemporaryFolder folder_;
  std::string file_ = folder_.write("tiny.yaml", tiny_config());
  const std::atomic<bool> never_ = false;
  RunLeg leg_{.steps = {0, 2}, .gradients = folder_ / "gradients.h5"};
  RunBounds bounds_{.loss = 1e-6, .evaluation = 1e-6};
};

TEST_F(RunDifferences, TheSameRunHasNone) {
  train(config("again"), self_communicator(), never_);
  bounds_.bits = true, bounds_.loss = bounds_.evaluation = 0;
  EXPECT_EQ(first_of("again"), "");
}

TEST_F(RunDifferences, ALossAnEvaluationAndARowThatIsMissingAreNamed) {
  rewrite(copied("loss"), "loss", 1, "0.5");
  EXPECT_EQ(first_of("loss"), "loss of step 2");
  rewrite(copied("nan"), "loss", 0, "null");
  EXPECT_THROW(first_of("nan"), Error);
  rewrite(copied("evaluation"), "eval_ssim", 0, "0.5");
  EXPECT_EQ(first_of("evaluation"), "evaluation of step 2: eval_ssim");
  const std::string torn = copied("torn") + "/metrics.jsonl";
  const std::string text = read_text(torn, 1 << 20);
  write_whole(torn, text.substr(text.find('\n') + 1));
  EXPECT_NE(sentence_of([&] { first_of("torn"); }).find("1 rows of steps 1 to 2"), std::string::npos);
}

TEST_F(RunDifferences, AParameterIsNamedInUnitsOfTheStepsMade) {
  copied("other");
  train(config("faster", {"train.lr=1.3e-3"}), self_communicator(), never_);
  const std::string place = checkpoint_path(folder_ / "other", 2);
  std::filesystem::copy_file(checkpoint_path(folder_ / "faster", 2), place,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(first_of("other"), "checkpoint of step 2: input_linear.weight, along clear gradients");
  for (const RunDifference& d :
       checkpoint_differences(config("one"), folder_ / "other", folder_ / "one", leg_, bounds_)) {
    if (d.part.ends_with("clear gradients")) {
      EXPECT_LE(d.value, 0.31) << d.part << ": three tenths of a step";
    }
  }
}

// Wherever it stands: what comes behind it is smaller.
TEST_F(RunDifferences, ANumberThatIsNoneIsBeyondEveryBound) {
  const std::string of_one = checkpoint_path(folder_ / "one", 2), name = "input_linear.weight",
                    numbers = numbers_in(of_one).at("value/" + name), bytes = read_text(of_one, 1 << 26);
  const float nan = std::nanf("");
  for (const std::size_t place : {std::size_t(0), numbers.size() / 8 * 4, numbers.size() - 4}) {
    std::string changed = bytes;
    const std::size_t at = changed.find(numbers);
    ASSERT_NE(at, std::string::npos);
    std::memcpy(changed.data() + at + place, &nan, sizeof nan);
    const std::string run = "nan" + std::to_string(place);
    write_whole(checkpoint_path(copied(run), 2), changed);
    EXPECT_TRUE(first_of(run).starts_with("checkpoint of step 2: " + name)) << place << ": " << first_of(run);
  }
  EXPECT_TRUE(std::isnan(worse(nan, 1)) && std::isnan(worse(1, nan)));
  EXPECT_EQ(worse(1, 2), 2);
  EXPECT_EQ(worse(2, 1), 2);
}

}  // namespace
}  // namespace lact
