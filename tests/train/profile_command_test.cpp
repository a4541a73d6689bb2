// `lact profile` as a user starts it.
#include <gtest/gtest.h>

#include <filesystem>

#include "files/whole_file.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

class ProfileCommand : public ::testing::Test {
 protected:
  void SetUp() override { write_whole(config, tiny_config()); }
  TemporaryFolder folder;
  std::string config = folder / "tiny.yaml", out = folder / "out";
  std::vector<std::string> line(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"profile",  config,       "pairs=2",       "alone=1",
                                 "traced=1", "product=64", "copied=100000", "out=" + out};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(ProfileCommand, GivesOneObjectAndThreeFiles) {
  const Outcome o = run_lact(line({"--json"}));
  ASSERT_EQ(o.status, 0) << o.err;
  const Json p = Json::parse(o.out, "stdout");
  for (const std::string key : {"grid", "machine", "tokens", "tokens_per_rank", "tokens_per_second", "step", "control",
                                "overhead", "overhead_computing", "independent", "axes", "pipeline", "data",
                                "imbalance", "memory", "kernels", "ranks", "files"})
    EXPECT_TRUE(p.has(key)) << key;
  EXPECT_EQ(p["overhead"]["all"].size(), 2);
  double kernels = 0;
  bool product = false;
  for (const Json& k : p["kernels"]["rows"].items()) {
    kernels += k["seconds"].number();
    EXPECT_GT(k["bytes"].number(), 0) << k["kernel"].text();
    EXPECT_NEAR(k["of_copy_rate"].number() * p["kernels"]["copy_bytes_per_second"].number(),
                k["bytes"].number() / k["seconds"].number(), 1 + 1e-9 * k["bytes_per_second"].number());
    product = product || (k["kernel"].text() == "matmul" && k["of_product_rate"].number() > 0);
  }
  EXPECT_TRUE(product);
  EXPECT_NEAR(kernels, p["kernels"]["seconds"].number(), 1e-9);
  EXPECT_EQ(Json::read(p["files"]["profile"].text()).dump(), p.dump());
  EXPECT_GT(Json::read(p["files"]["trace"].text())["traceEvents"].size(), 10);
  const std::string page = read_text(p["files"]["page"].text(), 1 << 24);
  for (const std::string outside : {"http", "src=", "href", "url(", "<script", "<link", "@import"})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  EXPECT_NE(page.find("</html>"), std::string::npos);
}

TEST_F(ProfileCommand, ShowsATableAndScalesOneRank) {
  const Outcome table = run_lact(line({}));
  EXPECT_EQ(table.status, 0) << table.err;
  EXPECT_NE(table.out.find("overhead"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("memory of a rank"), std::string::npos) << table.out;
  const Outcome scaling = run_lact(line({"ranks=1", "--json"}));
  ASSERT_EQ(scaling.status, 0) << scaling.err;
  const Json s = Json::parse(scaling.out, "stdout");
  for (const std::string kind : {"strong", "weak"}) {
    ASSERT_EQ(s[kind].size(), 1);
    EXPECT_EQ(s[kind].at(0)["efficiency"].number(), 1);
  }
  EXPECT_TRUE(std::filesystem::exists(out + "/scaling.html"));
}

TEST_F(ProfileCommand, RefusesWhatMakesNoSense) {
  const std::string where = folder / "";
  expect_refused(where, line({"pairs=0"}), {"pairs=0"});
  expect_refused(where, line({"ranks=1,x"}), {"ranks=1,x"});
  expect_refused(where, line({"ranks=1", "scale=xp"}), {"scale=xp"});
  expect_refused(where, line({"model.dimm=3"}), {"model.dimm"});
  expect_refused(where, line({"parallel.cp=2"}), {"cp=2"});
}

}  // namespace
}  // namespace lact
