// What a model costs, without tensors: for whoever cuts it over ranks and plans.
#pragma once
#include <string>
#include <vector>

#include "layers/model.hpp"

namespace lact {

// The sizes of a sub-layer, one of those that make a block.
struct SubLayerShape {
  enum Kind : std::uint8_t { attention, fast_weights, recurrent, mlp };
  std::string key;  // of the config: "model.block_config.1"
  Kind kind = attention;
  bool local = false;          // attention: within parts of the sequence
  bool whole_heads = false;    // fast weights: tp may not split the hidden width of a head
  bool heads_over_cp = false;  // recurrent: cp shares out the heads that tp leaves, one for each rank at least
  std::int64_t heads = 1, head_dim = 0;  // of all but an MLP
  std::int64_t hidden = 0;               // of the MLP, and of one fast-weight head
  std::int64_t newton_schulz_steps = 0;
  std::int64_t updates = 1;  // of fast weights in a sample, one after the other
};

struct FlopsOfParts {
  Flops embed, block, head;  // `block`: of one, they are all alike
};

struct Costs {  // of one forward pass over some samples
  std::int64_t tokens = 0;
  std::int64_t width = 0;  // numbers of a token between blocks
  std::int64_t blocks = 0;
  std::string blocks_key;                 // of the config: "model.layers"
  std::string ends_are_tied;              // what says so where embedding and head share a parameter: one stage has both
  std::vector<SubLayerShape> sub_layers;  // of each block
  FlopsOfParts forward;
  // Numbers of a sample that a block carries along the sequence: fast weights and their momentum, recurrent states,
  // keys and values within reach of attention; 0 where a sample is no sequence that goes on.
  std::int64_t state = 0;
  double flops_of_token() const {
    return (forward.embed.total() + double(blocks) * forward.block.total() + forward.head.total()) / double(tokens);
  }
};

}  // namespace lact
