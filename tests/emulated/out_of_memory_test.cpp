// A GPU with too little memory: one sentence with what was asked, what is free, and what would fit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "files/whole_file.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

TEST(OutOfMemory, SaysWhatWasAskedWhatIsFreeAndWhatWouldFit) {
  TemporaryFolder folder;
  write_whole(folder / "tiny.yaml", tiny_config());
  const std::vector<std::string> line{"bench",
                                      "train",
                                      folder / "tiny.yaml",
                                      "compute.device=cuda",
                                      "steps=1",
                                      "product=64",
                                      "model.layers=6",
                                      "model.dim=64",
                                      "model.patch_size=4",
                                      "data.image_size=[32,32]",
                                      "data.num_all_views=8",
                                      "data.num_input_views=8",
                                      "data.num_target_views=4",
                                      "train.batch_size=1",
                                      "train.accumulate=1",
                                      "train.activation_checkpointing=false"};
  setenv("EMULATED_MEMORY_MB", "45", 1);  // about 100 MB are needed
  const Outcome refused = run_lact(line);
  unsetenv("EMULATED_MEMORY_MB");
  EXPECT_EQ(refused.status, 1);
  for (const std::string words : {"out of memory on GPU emulated", "MB asked", "MB free",
                                  "GB of the device's 0.0472 GB", "with train.activation_checkpointing=true"})
    EXPECT_NE(refused.err.find(words), std::string::npos) << words << "\n" << refused.err;
  EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
}

}  // namespace
}  // namespace lact
