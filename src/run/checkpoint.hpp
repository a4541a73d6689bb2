// Checkpoints: global tensors by name in HDF5, a checksum per tensor, the step and the global sample number. No rank
// count inside, so any layout reads what any layout wrote. All ranks write at once, each the numbers of its optimizer
// shards, and read at once; they succeed or fail together. Written beside and renamed, so a file under its final name
// is complete.
#pragma once
#include <string>
#include <vector>

#include "layers/parameters/store.hpp"

namespace lact {

struct TrainState {
  std::int64_t step = 0;             // finished optimizer steps, skipped ones included
  std::int64_t sample = 0;           // number of the next sample of the whole run
  std::int64_t optimizer_steps = 0;  // updates made
  std::int64_t skipped_in_a_row = 0;
  std::string config;  // the resolved YAML of the run
};

// Datasets "value/NAME", "first/NAME", "second/NAME". Collective.
void write_checkpoint(const std::string& path, ParameterStore& store, Mesh& mesh, const TrainState& state);
// Checks names, shapes and checksums of everything before a number of the store changes. A damaged file, and one of
// another model (a missing, extra or misshapen parameter), are errors that name the file and the tensor. Moments are
// read where the store has them. Collective; a file that any rank refuses is refused by all.
TrainState read_checkpoint(const std::string& path, ParameterStore& store, Mesh& mesh);
TrainState checkpoint_state(const std::string& path);  // without the tensors
// The same where names and numbers of all weights are, whatever run they are of: 16 digits. By the checksums in the
// file.
std::string fingerprint_of_weights(const std::string& path);

// RUN/checkpoints/step_00000600.h5
std::string checkpoint_path(const std::string& run_folder, std::int64_t step);
std::vector<std::string> checkpoints_in(const std::string& run_folder);  // oldest first
// Of the checkpoints up to `step` the newest `keep` stay. Later ones stay too: a run that fell back to an older one
// will overwrite them. If the last `skipped` steps were left out, the weights since `step - skipped` may be ruined:
// then the newest `keep` from before that stay, and the one of `step`. Files that killed processes left half written
// are removed.
void remove_old_checkpoints(const std::string& run_folder, std::int64_t step, std::int64_t keep,
                            std::int64_t skipped = 0);

}  // namespace lact
