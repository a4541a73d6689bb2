// Text to token shards by the program, as a user starts it.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "data/text/token_shard.hpp"
#include "files/json.hpp"
#include "support/command.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

class ConvertText : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string made(const std::string& name, std::int64_t documents) const {
    std::string text;
    for (std::int64_t d = 0; d < documents; ++d)
      text += "the word " + std::to_string(d * d) + " is in line " + std::to_string(d) + "\n";
    return folder_.write(name, text);
  }
  std::vector<std::string> convert(const std::string& out, const std::string& text) const {
    return {
        "convert",           "text",     out, "path=" + text, "documents=lines", "tokenizer=tests/data/text/gpt2.json",
        "shard_tokens=5000", "threads=2"};
  }
};

TEST_F(ConvertText, MakesShardsThatInspectShows) {
  const std::string out = folder_ / "out", text = made("a.txt", 1000);
  const Outcome o = run_lact(convert(out, text));
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.out.find(out + ": "), std::string::npos) << o.out;
  EXPECT_NE(o.out.find(" 1000 documents, "), std::string::npos) << o.out;
  const TokenShards shards(out);
  const Outcome seen = run_lact({"inspect", out, "--json"});
  const Json facts = Json::parse(seen.out, "stdout");
  EXPECT_EQ(facts["kind"].text(), "token shards");
  EXPECT_EQ(facts["tokenizer"].text(), "gpt2.json");
  EXPECT_EQ(facts["documents"].integer(), 1000);
  EXPECT_EQ(facts["tokens"].integer(), shards.tokens());
  EXPECT_EQ(facts["bytes_of_text"].integer(), std::int64_t(fs::file_size(text)) - 1000);
  EXPECT_EQ(run_lact({"inspect", shard_path(out, 1)}).status, 0);
  EXPECT_NE(run_lact(convert(out, text)).out.find("; it was complete"), std::string::npos);
}

TEST_F(ConvertText, KilledItGoesOnWithNothingLostOrDoubled) {
  const std::string text = made("a.txt", 15000), whole = folder_ / "whole", out = folder_ / "out";
  EXPECT_EQ(run_lact(convert(whole, text)).status, 0);
  const TokenShards wanted(whole);
  ASSERT_GT(wanted.shards().size(), 20u);
  for (const std::int64_t after : {1, 4, 9}) {
    Process p(convert(out, text));
    while (p.running() && !fs::exists(shard_path(out, after))) continue;
    p.send(SIGKILL);
    p.wait();
  }
  EXPECT_EQ(run_lact(convert(out, text)).status, 0);
  const TokenShards all(out);
  EXPECT_EQ(all.checksum(), wanted.checksum());
  EXPECT_EQ(all.ends(), wanted.ends());
  for (const TokenShard& s : all.shards()) s.verify();
}

TEST_F(ConvertText, BadInputIsOneSentence) {
  const std::string out = folder_ / "out";
  const Outcome none = run_lact(convert(out, folder_ / "nowhere"));
  EXPECT_EQ(none.status, 1);
  EXPECT_NE(none.err.find("nowhere: there is no such file or folder"), std::string::npos) << none.err;
  EXPECT_EQ(run_lact({"convert", "text"}).status, 2);
  const Outcome key = run_lact({"convert", "text", out, "paths=a"});
  EXPECT_NE(key.err.find("did you mean 'path'?"), std::string::npos) << key.err;
  EXPECT_FALSE(fs::exists(out));
  const Outcome full = run_lact(convert(out, made("a.txt", 5000)));
  EXPECT_EQ(full.status, 0);
  fs::resize_file(shard_path(out, 0), fs::file_size(shard_path(out, 0)) - 100);
  const Outcome damaged = run_lact({"inspect", out});
  EXPECT_EQ(damaged.status, 1);
  EXPECT_NE(damaged.err.find("shard_00000.h5"), std::string::npos) << damaged.err;
}

TEST_F(ConvertText, AFullDiskIsOneSentenceAndWhatIsThereStays) {
  const std::string out = folder_ / "out", text = made("a.txt", 3000);
  auto small = convert(out, text);
  small[6] = "shard_tokens=1000000";
  const Outcome o = run_lact(small, 20000);
  EXPECT_EQ(o.status, 1);
  EXPECT_NE(o.err.find("shard_00000.h5"), std::string::npos) << o.err;
  EXPECT_FALSE(fs::exists(shard_path(out, 0)));
  EXPECT_EQ(run_lact(small).status, 0);
  EXPECT_EQ(TokenShards(out).documents(), 3000);
}

}  // namespace
}  // namespace lact
