#include "run/report.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cmath>
#include <limits>

#include "base/check.hpp"
#include "files/json.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

StepRow row(std::int64_t step) {
  StepRow r;
  r.step = step, r.loss = 0.1 * double(step), r.grad_norm = 1.0 / 3, r.lr = 4e-4, r.tokens = 4096;
  r.seconds = 0.5, r.tokens_per_second = 8192, r.model_flops = 2.9e11, r.mfu = 0.25, r.memory_bytes = 3'000'000'000;
  return r;
}

std::vector<Json> rows_of(const TemporaryFolder& folder) {
  std::vector<Json> rows;
  std::string text = folder.read("metrics.jsonl");
  for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
    rows.push_back(Json::parse(text.substr(0, end), "row"));
  EXPECT_TRUE(text.empty()) << "behind the last line break: " << text;
  return rows;
}

std::vector<std::int64_t> steps_of(const TemporaryFolder& folder) {
  std::vector<std::int64_t> steps;
  for (const Json& r : rows_of(folder)) steps.push_back(r["step"].integer());
  return steps;
}

TEST(Report, StepRowHasItsKeysInOrderAndNumbersReadBackEqual) {
  TemporaryFolder folder;
  Report report(folder.path(), -1);
  StepRow told = row(7);
  report.step(told);
  told.step = 8, told.of_task = {{"psnr", 19.5}}, told.skipped = "the gradient norm is \"nan\"";
  report.step(told);
  auto rows = rows_of(folder);
  ASSERT_EQ(rows.size(), 2u);
  std::vector<std::string> keys;
  for (const auto& [key, value] : rows[0].members()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"step", "loss", "grad_norm", "lr", "tokens", "seconds", "tokens_per_second",
                                            "model_flops", "mfu", "memory_bytes"}));
  EXPECT_EQ(rows[0]["loss"].number(), told.loss);
  EXPECT_EQ(rows[0]["grad_norm"].number(), told.grad_norm);
  EXPECT_EQ(rows[0]["memory_bytes"].integer(), told.memory_bytes);
  EXPECT_EQ(rows[1]["psnr"].number(), 19.5);
  EXPECT_EQ(rows[1]["skipped"].text(), told.skipped);
}

TEST(Report, NumbersThatAreNotFiniteBecomeNull) {
  TemporaryFolder folder;
  Report report(folder.path(), -1);
  StepRow bad = row(1);
  bad.loss = std::nan(""), bad.grad_norm = std::numeric_limits<double>::infinity();
  report.step(bad);
  report.evaluation(1, {{"eval_psnr", std::numeric_limits<double>::infinity()}});
  auto rows = rows_of(folder);
  EXPECT_TRUE(rows[0]["loss"].is_null());
  EXPECT_TRUE(rows[0]["grad_norm"].is_null());
  EXPECT_TRUE(rows[1]["eval_psnr"].is_null());
}

TEST(Report, EvaluationRowsHoldTheStepAndEvalKeysOnly) {
  TemporaryFolder folder;
  Report report(folder.path(), -1);
  report.evaluation(5, {{"eval_psnr", 22.25}, {"eval_ssim", 0.5}});
  EXPECT_EQ(folder.read("metrics.jsonl"), "{\"step\": 5, \"eval_psnr\": 22.25, \"eval_ssim\": 0.5}\n");
  EXPECT_THROW(report.evaluation(5, {{"psnr", 1.0}}), Error);
}

TEST(Report, RowsAreReadableWhileTheRunGoesOn) {
  TemporaryFolder folder;
  Report report(folder.path(), -1);
  for (std::int64_t s = 1; s <= 3; ++s) {
    report.step(row(s));
    EXPECT_EQ(std::int64_t(rows_of(folder).size()), s);
  }
}

TEST(Report, GoingOnCutsLaterRowsAndATornLine) {
  TemporaryFolder folder;
  {
    Report report(folder.path(), -1);
    for (std::int64_t s = 1; s <= 5; ++s) report.step(row(s));
    report.evaluation(3, {{"eval_psnr", 20.0}});
    report.evaluation(5, {{"eval_psnr", 21.0}});
  }
  folder.write("metrics.jsonl", folder.read("metrics.jsonl") + R"({"step": 3, "loss": 0.)");
  {
    Report report(folder.path(), 3);
    EXPECT_EQ(steps_of(folder), (std::vector<std::int64_t>{1, 2, 3, 3}));
    report.step(row(4));
  }
  EXPECT_EQ(steps_of(folder), (std::vector<std::int64_t>{1, 2, 3, 3, 4}));
  Report fresh(folder.path(), -1);
  EXPECT_TRUE(rows_of(folder).empty());
}

TEST(Report, GoingOnBehindTheLastRowChangesNoByte) {
  TemporaryFolder folder;
  Report(folder.path(), -1).step(row(1));
  const std::string before = folder.read("metrics.jsonl");
  Report again(folder.path(), 1);
  EXPECT_EQ(folder.read("metrics.jsonl"), before);
}

TEST(Report, ADamagedRowInTheMiddleIsNamedAndTheOthersStay) {
  TemporaryFolder folder;
  folder.write("metrics.jsonl", "{\"step\": 1}\n{\"step\": \n{\"step\": 3}\n");
  testing::internal::CaptureStderr();
  Report(folder.path(), 3);
  const std::string warning = testing::internal::GetCapturedStderr();
  EXPECT_NE(warning.find(folder / "metrics.jsonl:2"), std::string::npos) << warning;
  EXPECT_EQ(folder.read("metrics.jsonl"), "{\"step\": 1}\n{\"step\": 3}\n");
}

TEST(Report, AFolderThatIsNotThereIsNamed) {
  TemporaryFolder folder;
  const std::string why = sentence_of([&] { Report(folder / "missing", -1); });
  EXPECT_NE(why.find(folder / "missing/"), std::string::npos) << why;
}

// A file size limit makes write() fail part of the way through a row, as a full disk does.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(Report, AFullDiskIsAnErrorAndTheRunStillGoesOnFromWhatFitted) {
  TemporaryFolder folder;
  Report(folder.path(), -1).step(row(1));
  const std::string first = folder.read("metrics.jsonl");
  {
    Report report(folder.path(), 1);
    SizeLimit limit(first.size() + 20);
    EXPECT_EQ(sentence_of([&] { report.step(row(2)); }), report.path() + ": cannot be written (File too large)");
  }
  Report(folder.path(), 1).step(row(2));
  EXPECT_EQ(steps_of(folder), (std::vector<std::int64_t>{1, 2}));
}

}  // namespace
}  // namespace lact
