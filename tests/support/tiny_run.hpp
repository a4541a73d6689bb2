// A run that takes a second, and what its folder holds afterwards.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "files/json.hpp"

namespace lact {

// 19,379 parameters on two generated scenes of 8 views of 16 x 16; batches of 2 in 2 micro-batches, activation
// checkpointing, 12 steps of a cosine; no checkpoint but the last unless asked for.
std::string tiny_config();
std::string tested_device();  // "cpu", or what LACT_TEST_DEVICE names
std::string tiny_model();     // what stands below `model:` there

std::vector<Json> rows_of(const std::string& run);  // metrics.jsonl
// The rows as text, without what depends on the clock, on memory and on the number of ranks.
std::vector<std::string> told_by(const std::string& run);
std::vector<Json> training_rows(const std::string& run);    // without evaluations
std::vector<Json> evaluation_rows(const std::string& run);  // the others

std::string newest_checkpoint(const std::string& run);  // "" when there is none
std::int64_t steps_done(const std::string& run);        // of the newest checkpoint
// The numbers of a checkpoint or weights file, bit for bit, and where the run stands.
std::map<std::string, std::string> numbers_in(const std::string& checkpoint);
// Every file below a folder with its bytes.
std::map<std::string, std::string> contents_of(const std::string& folder);

// The program refuses: exit status 1, one line on stderr that begins with "lact: " and holds all `words`, nothing on
// stdout, and nothing below `folder` changed.
void expect_refused(const std::string& folder, const std::vector<std::string>& arguments,
                    const std::vector<std::string>& words);

// A damaged copy of a file's bytes: one byte of a tensor's numbers changed.
std::string with_one_byte_changed(const std::string& checkpoint, const std::string& tensor);

}  // namespace lact
