// Checkpoints and weights that are damaged, hostile or of another model, and training that runs away.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "files/whole_file.hpp"
#include "run/checkpoint.hpp"
#include "support/command.hpp"
#include "support/hdf5_leaks.hpp"
#include "support/tiny_run.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class BadFiles : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string config_ = folder_.write("tiny.yaml", tiny_config()), run_ = folder_ / "run";
  std::string model_ = "model.file=" + folder_.write("model.yaml", tiny_model());

  Outcome train(const std::string& run, const Words& more = {}) const {
    Words arguments = {"train", config_, "run.dir=" + run};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lact(arguments);
  }
};

TEST_F(BadFiles, ARunWhoseOnlyCheckpointIsDamagedOrOfAnotherModel) {
  ASSERT_EQ(train(run_).status, 0);
  ASSERT_EQ(train(folder_ / "wide", {"model.dim=32"}).status, 0);
  const std::string path = newest_checkpoint(run_), whole = read_text(path, 1 << 30);
  const std::vector<std::pair<std::string, std::string>> damages = {
      {with_one_byte_changed(path, "value/input_linear.weight"), "value/input_linear.weight"},
      {with_one_byte_changed(path, "second/input_linear.weight"), "second/input_linear.weight"},
      {whole.substr(0, whole.size() / 2), ""},
      {"", ""},
      {"a checkpoint", ""},
      {read_text(newest_checkpoint(folder_ / "wide"), 1 << 30), "another model"}};
  for (const auto& [bytes, word] : damages) {
    write_whole(path, bytes);
    for (const Words& command : std::vector<Words>{{"eval", run_},
                                                   {"eval", run_, "--json"},
                                                   {"render", run_, "out=" + folder_ / "pictures"},
                                                   {"train", config_, "run.dir=" + run_},
                                                   {"convert", "weights", run_, folder_ / "out.safetensors"}})
      expect_refused(folder_.path(), command, {path, word});
  }
  for (const std::string& bytes : {whole.substr(0, whole.size() / 2), std::string(), std::string("a checkpoint")}) {
    write_whole(path, bytes);
    expect_refused(folder_.path(), {"inspect", path}, {path});
  }
  expect_refused(folder_.path(), {"eval", run_, "model.layers=3"}, {path});
}

TEST_F(BadFiles, ACheckpointThatPointsElsewhereIsDamagedAndTheOneBeforeItIsUsed) {
  ASSERT_EQ(train(run_, {"train.steps=2", "train.checkpoint_every=1"}).status, 0);
  ASSERT_EQ(mkfifo((run_ + "/checkpoints/elsewhere.h5").c_str(), 0600), 0);
  for (const std::string name : {"external_link", "soft_link", "virtual", "loop"}) {
    fs::copy_file("tests/data/hdf5/" + name + ".h5", run_ + "/checkpoints/step_00000002.h5",
                  fs::copy_options::overwrite_existing);
    const Outcome o = run_lact({"eval", run_});
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_NE(o.err.find("step_00000002.h5: "), std::string::npos) << o.err;
    EXPECT_NE(o.err.find("step_00000001.h5 is used instead"), std::string::npos) << o.err;
    expect_refused(folder_.path(), {"inspect", run_ + "/checkpoints/step_00000002.h5"}, {"step_00000002.h5: "});
  }
  ASSERT_EQ(mkfifo((run_ + "/checkpoints/step_00000003.h5").c_str(), 0600), 0);
  EXPECT_EQ(run_lact({"eval", run_}).status, 0);
}

TEST_F(BadFiles, AByteChangedAnywhereIsNoticedOrChangesNothing) {
  ASSERT_EQ(train(run_).status, 0);
  const std::string path = newest_checkpoint(run_), whole = read_text(path, 1 << 30);
  LoadedModel loaded(config_of_run(run_));
  auto numbers = [&] { return loaded.store.buckets()[0].value.to_floats(); };
  const TrainState state = read_checkpoint(path, loaded.store, *loaded.mesh);
  const std::vector<float> right = numbers();
  std::mt19937 random(9);
  int noticed = 0;
  for (int i = 0; i < 400; ++i) {
    std::string bytes = whole;
    const std::size_t at = random() % (i % 2 == 0 ? bytes.size() : 4096);  // half of them where the metadata begins
    bytes[at] = char(bytes[at] ^ (1 << random() % 8));
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      const TrainState read = read_checkpoint(path, loaded.store, *loaded.mesh);
      EXPECT_TRUE(read.step == state.step && read.sample == state.sample &&
                  read.optimizer_steps == state.optimizer_steps && read.config == state.config && numbers() == right)
          << "byte " << at;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(path), std::string::npos) << e.what();
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 200);  // most bytes are numbers
}

TEST_F(BadFiles, NamesThatATerminalWouldObeyAreShownInMessagesAndReports) {
  const std::string odd = "a\x1b[31m\nlact: fine", seen = "a\\x1b[31m\\nlact: fine";
  expect_refused(folder_.path(), {"inspect", folder_ / odd}, {folder_ / seen + ": no such file or folder"});
  fs::create_directories(folder_ / odd);
  folder_.write(odd + "/opencv_cameras.json", R"([{"fx": 1, "\u001b[2J": 0}])");
  expect_refused(folder_.path(), {"train", config_, "run.dir=" + run_, "data.path=" + folder_ / odd},
                 {seen, "fy is missing"});
  const std::string header = R"({"__metadata__": {"k\u001b[2J": "v\u009b1m"}})";
  const std::string file = folder_.write("w.safetensors", char(header.size()) + std::string(7, '\0') + header);
  const Outcome o = run_lact({"inspect", file});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.out.find("k\\x1b[2J"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("v\\xc2\\x9b1m"), std::string::npos) << o.out;
  EXPECT_EQ(run_lact({"inspect", "a", "b\x1b[31m"}).err.find('\x1b'), std::string::npos);
}

TEST_F(BadFiles, NonsenseInACheckpointIsDamage) {
  ASSERT_EQ(train(run_, {"train.steps=4", "train.constant_lr=true", "train.checkpoint_every=2"}).status, 0);
  const std::string newest = newest_checkpoint(run_), older = checkpoint_path(run_, 2);
  LoadedModel loaded(config_of_run(run_));
  loaded.store.add_moments();
  const TrainState right = read_checkpoint(newest, loaded.store, *loaded.mesh);
  std::vector<TrainState> wrong(9, right);
  wrong[0].step = -5, wrong[1].optimizer_steps = -1, wrong[2].optimizer_steps = 5, wrong[3].sample = -8;
  wrong[4].sample = 12, wrong[5].skipped_in_a_row = -1, wrong[6].skipped_in_a_row = 1;
  wrong[7].step = 8, wrong[7].sample = 16, wrong[8].step = std::int64_t(1) << 60, wrong[8].sample = 0;
  for (const TrainState& state : wrong) {
    write_checkpoint(newest, loaded.store, *loaded.mesh, state);
    const Outcome o = train(run_, {"train.steps=4", "train.constant_lr=true"});
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_NE(o.err.find(newest + ": is damaged"), std::string::npos) << o.err;
    EXPECT_NE(o.err.find("going on at step 2 of 4"), std::string::npos) << o.err;
    EXPECT_EQ(checkpoint_state(newest).sample, right.sample);
  }
  fs::remove(older);
  write_checkpoint(newest, loaded.store, *loaded.mesh, wrong[1]);
  expect_refused(folder_.path(), {"train", config_, "run.dir=" + run_, "train.constant_lr=true"},
                 {newest, "is damaged", "-1"});
  expect_refused(folder_.path(), {"inspect", newest}, {newest, "-1"});
}

TEST_F(BadFiles, ModelFilesInYamlAndJson) {
  const std::string file = folder_ / "model.json";
  const std::string json =
      "{\n\t\"patch_size\": 8,\t\"dim\": 16, \"layers\": 1,\n\t\"block_config\": [{\"type\": "
      "\"model.\\u0053elfAttention\", \"length_dim\": \"l\", \"params\": {\"head_dim\": 16}}]}\n";
  write_whole(file, json);
  const Outcome o = train(run_, {"model.file=" + file, "train.steps=1"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(read_text(run_ + "/config.yaml", 1 << 20).find("file: " + file), std::string::npos);
  auto refused = [&](const std::string& text, Words words) {
    write_whole(file, text);
    words.push_back(file);
    expect_refused(folder_.path(), {"train", config_, "run.dir=" + folder_ / "new", "model.file=" + file}, words);
  };
  auto with = [&](const std::string& type) {
    return "{\"dim\": 16, \"block_config\": [{\"type\": \"" + type + "\"}]}";
  };
  refused(with("\\ud83d\\ude00"), {"unknown type '\U0001f600'"});  // a pair of surrogates
  refused(with("\\ud83d"), {"line 1"});
  for (const std::string text : {"", "  \n", "# nothing\n", "---\n", "null"}) refused(text, {"is empty"});
  for (const std::string text : {"{} {}", "{\"dim\": 16} x", "{\"dim\": 16,}", "{\"dim\": 16, \"dim\": 16}"})
    refused(text, {});
  refused("dim: 16\n---\ndim: 32\n", {"second YAML document"});
  refused("dim: 0\n", {"model.dim=0"});  // values, too, are told with their file
  refused("patch_size: 7\n", {"model.patch_size=7"});
}

TEST_F(BadFiles, ARunWithoutACheckpointOrWithABrokenConfig) {
  ASSERT_EQ(train(run_).status, 0);
  fs::remove(newest_checkpoint(run_));
  expect_refused(folder_.path(), {"eval", run_}, {run_, "no checkpoint"});
  expect_refused(folder_.path(), {"render", run_}, {run_, "no checkpoint"});
  expect_refused(folder_.path(), {"convert", "weights", run_, folder_ / "out.safetensors"}, {run_, "no checkpoint"});
  folder_.write("run/config.yaml", "train: {stepz: 3}");
  expect_refused(folder_.path(), {"eval", run_}, {run_ + "/config.yaml", "train.stepz"});
  expect_refused(folder_.path(), {"train", config_, "run.dir=" + run_}, {run_ + "/config.yaml", "train.stepz"});
}

std::string with_header(const std::string& header, std::size_t data_bytes) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += char(header.size() >> (8 * i) & 0xff);
  return bytes + header + std::string(data_bytes, '\0');
}

TEST_F(BadFiles, SafetensorsWhoseHeaderLies) {
  const std::string file = folder_ / "weights.safetensors";
  const std::vector<std::pair<std::string, Words>> lies = {
      {"", {}},
      {"1234567", {}},
      {std::string(8, '\xff') + "{}", {"header"}},                            // length
      {std::string("\x10\0\0\0\0\0\0\0{}", 10), {"header"}},                  // behind the end
      {with_header("{\"a\": ", 0), {}},                                       // not JSON
      {with_header(std::string(1000, '[') + std::string(1000, ']'), 0), {}},  // deep
      {with_header(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 16]}})", 16),
       {"a"}},  // size and range differ
      {with_header(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}})", 8), {"a"}},  // backwards
      {with_header(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})", 4), {"a"}},  // behind the end
      {with_header(R"({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}})", 8), {"a"}},
      {with_header(R"({"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}})", 0),
       {"a"}},  // 2^64
      {with_header(R"({"a": {"dtype": "F32", "shape": [4611686018427387905], "data_offsets": [0, 4]}})", 4),
       {"a"}},  // x 4
      {with_header(R"({"a": {"dtype": "X9", "shape": [2], "data_offsets": [0, 8]}})", 8), {"a", "X9"}},
      {with_header(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                       "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}})",
                   12),
       {"b"}},  // overlap
      {with_header(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                       "b": {"dtype": "F32", "shape": [2], "data_offsets": [12, 20]}})",
                   20),
       {}}};  // a hole
  for (const auto& [bytes, some] : lies) {
    write_whole(file, bytes);
    Words words = some;
    words.push_back(file);
    expect_refused(folder_.path(), {"convert", "weights", file, folder_ / "new", model_}, words);
    expect_refused(folder_.path(), {"inspect", file}, words);
  }
}

TEST_F(BadFiles, SafetensorsOfAnotherModel) {
  ASSERT_EQ(train(run_).status, 0);
  const std::string file = folder_ / "weights.safetensors";
  ASSERT_EQ(run_lact({"convert", "weights", run_, file}).status, 0);
  const std::string whole = read_text(file, 1 << 30), name = "image_token_decoder.1.weight";
  auto refused = [&](const std::string& pair, const Words& words) {
    expect_refused(folder_.path(), {"convert", "weights", file, folder_ / "new", model_, pair}, words);
  };
  refused("model.layers=2", {file, "blocks.1.", "missing"});
  refused("model.dim=32", {file, "input_linear.weight", "[16, 768]", "[32, 768]"});
  refused("model.block_config.0.params.use_qk_norm=false", {file, "blocks.0.module_list.0.f."});  // one tensor too many
  std::string renamed = whole;
  renamed.replace(renamed.find(name), name.size(), "image_token_decoder.1.weighs");
  write_whole(file, renamed);
  refused("train.seed=1", {file, "'" + name + "'", "missing"});
  write_whole(file, whole.substr(0, whole.size() - 4));
  refused("train.seed=1", {file});
  write_whole(file, whole);
  refused("model.dimm=16", {"model.dimm", "model.dim"});
  expect_refused(folder_.path(), {"convert", "weights", file, run_, model_}, {run_, "not empty"});
  expect_refused(folder_.path(), {"convert", "weights", file, config_, model_}, {config_});
  expect_refused(folder_.path(), {"convert", "weights", config_, folder_ / "new", model_}, {config_});
  expect_refused(folder_.path(), {"convert", "weights", run_, folder_ / "none/out.safetensors"},
                 {folder_ / "none/out.safetensors"});
  expect_refused(folder_.path(), {"convert", "weights", run_, folder_ / "a.safetensors", "model.dim=32"},
                 {"model.dim=32"});
}

TEST_F(BadFiles, TrainingThatRunsAwayIsCountedSaidAndStopped) {
  const Words away = {"train.lr=1e30", "train.constant_lr=true", "train.max_skipped=4", "train.steps=40",
                      "train.checkpoint_every=1"};
  const Outcome o = train(run_, away);
  EXPECT_EQ(o.status, 1);
  EXPECT_NE(o.err.find("\nlact: 4 optimizer steps in a row were left out"), std::string::npos) << o.err;
  EXPECT_NE(o.err.find("train.max_skipped=4"), std::string::npos) << o.err;
  const auto rows = training_rows(run_);
  std::size_t skipped = 0;
  for (const Json& row : rows)
    if (row.has("skipped")) {
      EXPECT_NE(row["skipped"].text().find("not finite"), std::string::npos) << row.dump();
      EXPECT_NE(o.err.find("step " + std::to_string(row["step"].integer()) + ": the optimizer step was left out"),
                std::string::npos);
      ++skipped;
    }
  ASSERT_EQ(skipped, 4u);
  EXPECT_TRUE(rows.back().has("skipped"));
  const TrainState state = checkpoint_state(newest_checkpoint(run_));
  EXPECT_EQ(state.step, std::int64_t(rows.size()));
  EXPECT_EQ(state.optimizer_steps, std::int64_t(rows.size()) - 4);
  EXPECT_EQ(state.skipped_in_a_row, 4);
}

TEST_F(BadFiles, StepsAboveTheNormLimitAreSkippedAndTheRestGoesOn) {
  ASSERT_EQ(train(run_, {"train.skip_norm=0"}).status, 0);
  double least = 1e9, most = 0;
  for (const Json& row : training_rows(run_))
    least = std::min(least, row["grad_norm"].number()), most = std::max(most, row["grad_norm"].number());
  const std::string limit = std::to_string((least + most) / 2);
  const std::string some = folder_ / "some";
  const Outcome o = train(some, {"train.skip_norm=" + limit});
  ASSERT_EQ(o.status, 0) << o.err;
  std::int64_t skipped = 0;
  for (const Json& row : training_rows(some)) {
    EXPECT_EQ(row.has("skipped"), row["grad_norm"].number() > std::stod(limit)) << row.dump();
    if (row.has("skipped")) {
      EXPECT_NE(row["skipped"].text().find("train.skip_norm"), std::string::npos);
      ++skipped;
    }
  }
  EXPECT_GT(skipped, 0);
  EXPECT_EQ(checkpoint_state(newest_checkpoint(some)).optimizer_steps, 12 - skipped);
  // nothing is clipped or skipped while the step is at most free_steps
  ASSERT_EQ(train(folder_ / "free", {"train.skip_norm=1e-9", "train.free_steps=11"}).status, 0);
  for (const Json& row : training_rows(folder_ / "free")) EXPECT_FALSE(row.has("skipped"));
}

}  // namespace
}  // namespace lact
