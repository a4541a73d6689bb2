// What the reference files of TTT layers and of models of them share.
#pragma once
#include "layers/fast_weights/mini_batch/mini_batch_ttt.hpp"
#include "verify/golden/golden.hpp"

namespace lact::golden {

MiniBatchTttConfig mini_batch_config(Case& c, const std::string& type);
// PREFIX + W1, b1 and, where there is a hidden layer, W2 and b2, + SUFFIX: by the names of the originals, [batch,
// heads, ...].
void compare_inner_weights(Case& c, const std::string& prefix, const std::string& suffix, const InnerWeights& w,
                           std::int64_t batch);

}  // namespace lact::golden
