// Text and sessions by the program, as a user starts it.
#include <gtest/gtest.h>

#include <filesystem>

#include "files/safetensors.hpp"
#include "files/whole_file.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

class Generate : public testing::Test {
 protected:
  static void SetUpTestSuite() { folder_ = new TemporaryFolder; }
  static void TearDownTestSuite() { delete folder_; }
  // A run of two steps, made once: chunks, windows and mini-batches end several times in a text.
  static std::string run_of(const std::string& type, const std::string& name, std::vector<std::string> keys = {}) {
    const std::string run = *folder_ / name;
    if (std::filesystem::exists(run)) return run;
    keys.insert(keys.begin(), {"model.model_type=" + type, "run.dir=" + run, "compute.device=" + tested_device()});
    const std::string config = folder_->write(name + ".yaml", R"(task: language
model: {hidden_size: 16, num_hidden_layers: 2, intermediate_size: 16, num_attn_heads: 2, num_lact_heads: 2, lact_chunk_size: 8,
  window_size: 6, initializer_range: 0.3, ttt: {num_attention_heads: 2, mini_batch_size: 4}}
data: {context: 32, threads: 0, eval_samples: 1}
train: {steps: 2, lr: 1.0e-3}
)");
    keys.insert(keys.begin(), {"train", config});
    const Outcome o = run_lact(keys);
    check(o.status == 0, "{}", o.err);
    return run;
  }
  static Json generated(std::vector<std::string> words, const std::vector<std::string>& starter = {}) {
    words.insert(words.begin(), "generate");
    words.push_back("--json");
    Process p(words, 0, starter);
    const Outcome o = p.wait();
    EXPECT_EQ(o.status, 0) << o.err;
    return o.status == 0 ? Json::parse(o.out, "stdout") : Json();
  }
  static std::string ids_of(const Json& text) { return text["ids"].dump(); }
  static TemporaryFolder* folder_;
};
TemporaryFolder* Generate::folder_ = nullptr;

const std::string prompt = "prompt=[kqa=xz] The fact";

TEST_F(Generate, ThroughASessionItIsTheTextOfOneGo) {
  for (const auto& [type, beside] : {std::pair("lact_swiglu", false), {"ttt", true}, {"mamba", false}}) {
    const std::string run = run_of(type, type, {beside ? "model.window_beside=true" : "model.window_beside=false"});
    const std::string session = *folder_ / (std::string(type) + ".session");
    const Json whole = generated({run, prompt, "tokens=30", "seed=5"});
    const Json first = generated({run, prompt, "tokens=11", "seed=5", "save=" + session});
    const Json second = generated({run, "session=" + session, "tokens=19", "seed=5", "save=" + session});
    ASSERT_EQ(whole["ids"].size(), 30) << type;
    std::vector<Json> joined = first["ids"].items();
    for (const Json& id : second["ids"].items()) joined.push_back(id);
    EXPECT_EQ(Json::array(joined).dump(), ids_of(whole)) << type;
    EXPECT_EQ(second["position"].integer(), whole["position"].integer()) << type;
  }
}

TEST_F(Generate, ACopyOfASessionIsAFork) {
  const std::string run = run_of("lact_swiglu", "lact_swiglu"), session = *folder_ / "a.session", fork = *folder_ / "b";
  const Json first = generated({run, prompt, "tokens=11", "seed=5", "save=" + session});
  EXPECT_NE(ids_of(generated({run, prompt, "tokens=11", "seed=6"})), ids_of(first));
  std::filesystem::copy_file(session, fork);
  auto continued = [&](const std::string& file, const char* words) {
    return ids_of(generated({run, "session=" + file, words, "tokens=5", "temperature=0", "save=" + file}));
  };
  const std::string other = continued(session, "prompt= or else");
  EXPECT_EQ(continued(fork, "prompt= or else"), other);
}

TEST_F(Generate, SessionsTellWhatTheyHold) {
  const std::string run = run_of("lact_swiglu", "lact_swiglu"), session = *folder_ / "told.session";
  generated({run, prompt, "tokens=4", "save=" + session});
  const Outcome o = run_lact({"inspect", session, "--json"});
  ASSERT_EQ(o.status, 0) << o.err;
  const Json facts = Json::parse(o.out, "stdout");
  EXPECT_EQ(facts["kind"].text(), "session");
  EXPECT_EQ(facts["model_type"].text(), "lact_swiglu");
  EXPECT_EQ(facts["step"].integer(), 2);
  EXPECT_EQ(facts["position"].integer(), 1 + 17 + 3);  // the begin, the prompt, and all new tokens but the last
  EXPECT_EQ(facts["waiting_tokens"].integer(), 1);
  EXPECT_EQ(facts["bytes of weights"].integer(), 2 * 3 * 2 * 8 * 8 * 4);  // blocks, matrices, heads, 8 x 8, f32
  EXPECT_EQ(facts["bytes of keys"].integer(), 2 * 6 * 16 * 4);            // the window
}

TEST_F(Generate, StreamsTheTextAndNothingElse) {
  const std::string run = run_of("lact_swiglu", "lact_swiglu");
  const Json told = generated({run, prompt, "tokens=20", "temperature=0"});
  const Outcome o = run_lact({"generate", run, prompt, "tokens=20", "temperature=0"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out.size(), 21u) << "a byte per token, and the end of the line";
  const std::string file = folder_->write("prompt.txt", prompt.substr(7));
  EXPECT_EQ(ids_of(generated({run, "prompt_file=" + file, "tokens=20", "temperature=0"})), ids_of(told));
}

TEST_F(Generate, WhatCannotBeIsSaidInOneSentence) {
  const std::string run = run_of("lact_swiglu", "lact_swiglu"), session = *folder_ / "refused.session";
  generated({run, prompt, "tokens=4", "save=" + session});
  auto refused = [&](const std::vector<std::string>& keys, const std::vector<std::string>& words) {
    std::vector<std::string> all{"generate", run};
    all.insert(all.end(), keys.begin(), keys.end());
    expect_refused(folder_->path(), all, words);
  };
  refused({}, {"the prompt is empty"});
  refused({"prompt=a", "prompt_file=b"}, {"are both given"});
  refused({"prompt_file=" + folder_->write("empty.txt", "")}, {"empty.txt", "is empty"});
  refused({"prompt=a", "temperature=-1"}, {"temperature=-1"});
  refused({"prompt=a", "top_p=0"}, {"top_p=0"});
  refused({"prompt=a", "tokens=-1"}, {"tokens=-1"});
  refused({"prompt=a", "data.tokenizer=tests/data/text/gpt2.json"},
          {"tests/data/text/gpt2.json", "model.vocab_size=258"});
  refused({"session=" + (*folder_ / "none")}, {"none"});
  refused({"prompt=a", "save=" + (*folder_ / "none/a.session")}, {"there is no folder", "none"});
  refused({"prompt=a", "save=" + folder_->path()}, {folder_->path(), "is a folder"});
  const std::string other = run_of("lact_swiglu", "other", {"train.seed=7"});
  expect_refused(folder_->path(), {"generate", other, "session=" + session, "save=" + session},
                 {session, "belongs to another model"});
  const std::string gla = run_of("gla", "gla", {"model.gla.num_heads=2"});
  expect_refused(folder_->path(), {"generate", gla, "session=" + session}, {session, "belongs to another model"});
  refused({"session=" + newest_checkpoint(run)}, {"is an HDF5 file, and no session"});
  const std::string weights = *folder_ / "weights.safetensors";
  EXPECT_EQ(run_lact({"convert", "weights", run, weights}).status, 0);
  refused({"session=" + weights}, {"weights.safetensors", "is no session"});
}

TEST_F(Generate, OtherTasksHaveNoText) {
  const TemporaryFolder views;
  views.write("config.yaml", tiny_config());
  expect_refused(views.path(), {"generate", views.path(), "prompt=a"}, {views.path(), "task=view_synthesis"});
  expect_refused(views.path(), {"verify", "causality", views / "config.yaml"}, {"config.yaml", "task=view_synthesis"});
}

TEST_F(Generate, CausalityIsProvedByTheProgram) {
  const std::string run = run_of("lact_swiglu", "lact_swiglu");
  const Outcome o = run_lact({"verify", "causality", run + "/config.yaml", "--json"});
  EXPECT_EQ(o.status, 0) << o.err;
  const Json said = Json::parse(o.out, "stdout");
  EXPECT_EQ(said["failed"].integer(), 0);
  EXPECT_GE(said["rows"].size(), 8);
  for (const Json& row : said["rows"].items()) {
    EXPECT_EQ(row["before"].number(), 0.0);
    EXPECT_GT(row["behind"].number(), 0.0);
    EXPECT_EQ(row["first_moved"].integer(), row["cut"].integer());
  }
}

TEST_F(Generate, DamagedSessionsAreRefusedAndStayAsTheyAre) {
  const std::string run = run_of("lact_swiglu", "lact_swiglu"), session = *folder_ / "whole.session";
  generated({run, prompt, "tokens=4", "save=" + session});
  const std::string bytes = read_text(session, 1 << 24);
  auto refused = [&](const std::string& content, const std::string& word) {
    const std::string file = folder_->write("damaged.session", content);
    expect_refused(folder_->path(), {"generate", run, "session=" + file, "save=" + file}, {file, word});
  };
  std::string changed = bytes;
  changed[bytes.size() - 100] = char(changed[bytes.size() - 100] ^ 1);
  refused(changed, "its checksum does not match");
  refused(bytes.substr(0, bytes.size() - 5), "damaged.session");
  refused(bytes.substr(0, 100), "damaged.session");
  refused("", "damaged.session");
  std::string later = bytes;
  const std::size_t at = later.find("\"position\"");
  ASSERT_NE(at, std::string::npos);
  later[later.find("21", at)] = '9';
  refused(later, "its checksum does not match");
}

TEST_F(Generate, IsTheSameTextOnSeveralRanks) {
  const std::string run = run_of("lact_swiglu", "lact_swiglu"), session = *folder_ / "of_two.session";
  const std::string whole = ids_of(generated({run, prompt, "tokens=20", "seed=5"}));
  EXPECT_EQ(ids_of(generated({run, prompt, "tokens=20", "seed=5", "parallel.cp=2"}, on_ranks(2))), whole);
  std::vector<Json> joined =
      generated({run, prompt, "tokens=9", "seed=5", "save=" + session}, on_ranks(2))["ids"].items();
  for (const Json& id : generated({run, "session=" + session, "tokens=11", "seed=5"})["ids"].items())
    joined.push_back(id);
  EXPECT_EQ(Json::array(joined).dump(), whole) << "saved on two ranks of tp, opened on one";
}

}  // namespace
}  // namespace lact
