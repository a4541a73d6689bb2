// A model small enough for every layout, and a machine for plans in which only shapes matter.
#pragma once
#include "measure/machine.hpp"
#include "support/views_of.hpp"

namespace lact {

inline Machine any_machine(int ranks_per_node = 64) {
  return {.ranks_per_node = ranks_per_node,
          .memory_gb = 1,
          .product_gflops = 1,
          .attention_gflops = 1,
          .memory_gb_per_second = 1,
          .inside = {.latency_us = 1, .gb_per_second = 1}};
}

// Blocks of width 48: 4 attention heads, 2 fast-weight heads of 24 x 48, MLP 96; views of 12 tokens.
inline RunConfig small_config(std::int64_t layers, std::int64_t inputs, std::int64_t targets) {
  RunConfig cfg =
      RunConfig::from_overrides({"model.patch_size=4", "model.dim=48", "model.block_config.0.params.head_dim=12",
                                 "model.block_config.1.params.head_dim=24", "model.block_config.2.params.inter_multi=2",
                                 "data.image_size=[12,16]"});
  ViewSynthesisTask& views = views_of(cfg);
  views.model.layers = layers;
  views.data.num_input_views = inputs, views.data.num_target_views = targets;
  views.data.num_all_views = inputs + targets;
  return cfg;
}

}  // namespace lact
