// lact plan as a user types it.
#include <gtest/gtest.h>

#include <algorithm>

#include "files/whole_file.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

TEST(PlanCommand, ListsEveryLayoutTheFastestFirst) {
  const Outcome o = run_lact({"plan", "configs/nvs/character_64.yaml", "machine=configs/machines/eight_gpus.yaml",
                              "data.path=", "train.batch_size=8", "--json"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.err, "");
  const Json plan = Json::parse(o.out, "plan");
  EXPECT_EQ(plan["ranks"].integer(), 8);
  double before = 0;
  for (const Json& l : plan["layouts"].items()) {
    EXPECT_EQ(l["pp"].integer() * l["dp"].integer() * l["cp"].integer() * l["tp"].integer(), 8);
    EXPECT_TRUE(l["fits"].boolean());
    EXPECT_GE(l["seconds"].number(), before);
    before = l["seconds"].number();
    EXPECT_GT(l["memory_bytes"]["total"].number(), l["memory_bytes"]["weights"].number());
    EXPECT_GT(l["traffic"].size(), 0);
  }
  EXPECT_GE(plan["layouts"].size(), 2 * 10);
}

TEST(PlanCommand, KernelsTakeTheTimeOfAStep) {
  const std::vector<std::string> line{"plan",
                                      "configs/nvs/character_64.yaml",
                                      "machine=configs/machines/two_cores.yaml",
                                      "data.path=",
                                      "train.batch_size=8",
                                      "train.accumulate=4"};
  auto with = [&line](const std::string& flag) {
    std::vector<std::string> all = line;
    all.push_back(flag);
    return run_lact(all);
  };
  const Json best = Json::parse(with("--json").out, "plan")["layouts"].at(0);
  double seconds = 0;
  for (const Json& k : best["kernels"].items()) seconds += k["seconds"].number();
  EXPECT_GE(1.001 * seconds, best["computing_seconds"].number());
  const Outcome table = with("--kernels");
  EXPECT_EQ(table.status, 0) << table.err;
  for (const std::string word : {"the slowest rank of ", "adamw", "add_transposed", "attention_grad"})
    EXPECT_NE(table.out.find(word), std::string::npos) << table.out;
}

TEST(PlanCommand, ThisHostIsMeasured) {
  const Outcome o = run_lact({"plan", "configs/demo.yaml", "machine=here", "ranks=2", "compute.threads=1"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(o.out.starts_with("this machine, cpu: 2 ranks of ")) << o.out;
  EXPECT_NE(o.out.find("pp=1 dp=1 cp=2 tp=1"), std::string::npos);
}

TEST(PlanCommand, ARunIsMeasuredBesideItsPlan) {
  const TemporaryFolder folder;
  const std::string run = folder.path() + "/run", config = folder.write("tiny.yaml", tiny_config());
  ASSERT_EQ(run_lact({"train", config, "run.dir=" + run}).status, 0);
  const Outcome o = run_lact({"plan", "--check", run, "--json"});
  ASSERT_EQ(o.status, 0) << o.err;
  const Json check = Json::parse(o.out, "check");
  EXPECT_EQ(check["layout"].text(), "pp=1 dp=1 cp=1 tp=1");
  for (const Json& row : check["rows"].items()) {
    if (row["what"].text().starts_with("seconds")) {
      EXPECT_GT(row["planned"].number(), 0);
      EXPECT_GT(row["measured"].number(), 0);
    } else {
      EXPECT_NEAR(row["planned"].number(), row["measured"].number(), 0.1 * row["measured"].number())
          << row["what"].text();
    }
  }
  EXPECT_EQ(run_lact({"plan", "--check", run}).status, 0);
  const std::string rows = read_text(run + "/metrics.jsonl", 1 << 20);
  write_whole(run + "/metrics.jsonl", rows + rows.substr(0, 60));  // torn by a kill
  const Outcome torn = run_lact({"plan", "--check", run, "--json"});
  EXPECT_EQ(torn.status, 0) << torn.err;
  write_whole(run + "/metrics.jsonl", rows + "{\"step\"; 3}\n" + rows);
  const Outcome damaged = run_lact({"plan", "--check", run, "--json"});
  EXPECT_EQ(damaged.status, 0) << damaged.err;
  EXPECT_NE(damaged.err.find(fill("metrics.jsonl:{}: ", {std::ranges::count(rows, '\n') + 1})), std::string::npos)
      << damaged.err;
}

TEST(PlanCommand, WhatItCannotPlanForIsRefused) {
  const TemporaryFolder folder;
  const std::string config = folder.write("tiny.yaml", tiny_config());
  expect_refused(folder.path(), {"plan", config}, {"machine=FILE", "machine=here"});
  expect_refused(folder.path(), {"plan", config, "machine=here", "ranks=0"}, {"ranks=0"});
  expect_refused(folder.path(), {"plan", config, "machine=here", "ranks=many"}, {"ranks=many"});
  expect_refused(folder.path(), {"plan", config, "machine=" + folder.path() + "/none.yaml"}, {"none.yaml"});
  expect_refused(folder.path(), {"plan", "--check", folder.path()}, {"holds no run"});
  EXPECT_EQ(run_lact({"plan"}).status, 2);
}

}  // namespace
}  // namespace lact
