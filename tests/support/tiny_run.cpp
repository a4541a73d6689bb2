#include "support/tiny_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/check.hpp"
#include "files/hdf5.hpp"
#include "files/whole_file.hpp"
#include "run/checkpoint.hpp"
#include "support/command.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t most_bytes = 1 << 30;

std::string bytes_of(const Tensor& t) {
  return {reinterpret_cast<const char*>(t.raw()), std::size_t(t.count() * size_of(t.dtype()))};
}

}  // namespace

std::string tested_device() {
  const char* name = std::getenv("LACT_TEST_DEVICE");
  return name == nullptr ? "cpu" : name;
}

std::string tiny_model() {
  return R"({patch_size: 8, dim: 16, layers: 1, block_config: [
  {type: model.SelfAttention, length_dim: l, params: {head_dim: 16}},
  {type: lact_ttt.FastWeightGluMLPMultihead, params: {head_dim: 16, muon_update_steps: 5}},
  {type: model.MLP, params: {inter_multi: 2}}]})";
}

std::string tiny_config() {
  return "model: " + tiny_model() + R"(
data:
  image_size: [16, 16]
  num_all_views: 4
  num_input_views: 3
  num_target_views: 2
  held_out: [6, 7]
  synthetic: {scenes: 2, views: 8, resolution: 16}
train:
  {steps: 12, batch_size: 2, accumulate: 2, lr: 1.0e-3, warmup: 2, free_steps: -1, activation_checkpointing: true,
   checkpoint_seconds: 0}
compute: {threads: 1, device: )" +
         tested_device() + "}\n";
}

std::vector<Json> rows_of(const std::string& run) {
  std::vector<Json> rows;
  std::istringstream text(read_text(run + "/metrics.jsonl", most_bytes));
  for (std::string line; std::getline(text, line);) rows.push_back(Json::parse(line, "metrics.jsonl"));
  return rows;
}

std::vector<std::string> told_by(const std::string& run) {
  const std::set<std::string> passing = {"seconds", "tokens_per_second", "mfu",        "memory_bytes",
                                         "ranks",   "collectives",       "sent_bytes", "exchange_seconds"};
  std::vector<std::string> told;
  for (const Json& row : rows_of(run)) {
    Json kept = Json::object();
    for (const auto& [key, value] : row.members())
      if (!passing.contains(key)) kept.set(key, value);
    told.push_back(kept.dump());
  }
  return told;
}

std::vector<Json> training_rows(const std::string& run) {
  std::vector<Json> rows = rows_of(run);
  std::erase_if(rows, [](const Json& row) { return !row.has("loss"); });
  return rows;
}

std::vector<Json> evaluation_rows(const std::string& run) {
  std::vector<Json> rows = rows_of(run);
  std::erase_if(rows, [](const Json& row) { return row.has("loss"); });
  return rows;
}

std::string newest_checkpoint(const std::string& run) {
  const std::vector<std::string> all = checkpoints_in(run);
  return all.empty() ? "" : all.back();
}

std::int64_t steps_done(const std::string& run) {
  const std::string newest = newest_checkpoint(run);
  return newest.empty() ? 0 : checkpoint_state(newest).step;
}

std::map<std::string, std::string> numbers_in(const std::string& checkpoint) {
  std::map<std::string, std::string> numbers;
  const std::unique_ptr<Device> device = Device::open(Backend::cpu);
  const Hdf5File file = Hdf5File::open(checkpoint);
  for (const std::string& name : file.names()) numbers[name] = bytes_of(file.get(name, *device));
  for (const std::string key : {"step", "sample", "optimizer_steps", "skipped_in_a_row"})
    numbers[key] = std::to_string(file.integer(key));
  return numbers;
}

std::map<std::string, std::string> contents_of(const std::string& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    contents[entry.path().string()] = entry.is_regular_file() ? read_text(entry.path().string(), most_bytes) : "";
  return contents;
}

void expect_refused(const std::string& folder, const std::vector<std::string>& arguments,
                    const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& a : arguments) line += a.substr(0, 200) + " ";
  SCOPED_TRACE(line);
  const auto before = contents_of(folder);
  const Outcome o = run_lact(arguments);
  EXPECT_EQ(o.status, 1) << o.err;
  EXPECT_TRUE(o.err.starts_with("lact: ")) << o.err;
  EXPECT_EQ(std::ranges::count(o.err, '\n'), 1) << o.err;
  EXPECT_EQ(o.out, "");
  for (const std::string& word : words)
    EXPECT_NE(o.err.find(word), std::string::npos) << word << " is not in " << o.err;
  EXPECT_TRUE(contents_of(folder) == before) << "something was written";
}

std::string with_one_byte_changed(const std::string& checkpoint, const std::string& tensor) {
  std::string bytes = read_text(checkpoint, most_bytes);
  const std::size_t at = bytes.find(numbers_in(checkpoint).at(tensor));
  check(at != std::string::npos, "{}: the numbers of '{}' do not lie in one piece", checkpoint, tensor);
  bytes[at + 1] = char(bytes[at + 1] ^ 4);
  return bytes;
}

}  // namespace lact
