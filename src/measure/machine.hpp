// What a machine can do, as far as a plan needs to know: configs/machines/*.yaml.
#pragma once
#include "base/config.hpp"
#include "parallel/paper.hpp"

namespace lact {

struct Machine {
  std::string name;
  std::int64_t nodes = 1, ranks_per_node = 1;
  double memory_gb = 0;  // of a rank
  double product_gflops = 0, bf16_product_gflops = 0, attention_gflops = 0, memory_gb_per_second = 0, call_us = 0;
  bool wide = false;
  struct Link {
    double latency_us = 0, gb_per_second = 0;
    bool beside_compute = false;
    void fields(Fields& f);
  } inside, across;

  void fields(Fields& f);
  static Machine load(const std::string& path);  // checked
  // This host with so many ranks, measured with all of them at work, in about a second. What links do is taken from the
  // rate at which numbers move in memory.
  static Machine here(Device& d, DType activations, int ranks);
  int ranks() const { return int(nodes * ranks_per_node); }
  PaperRates rates() const;
  // What joins these ranks: the link across hosts as soon as two of them do not share one.
  PaperLink link(const std::vector<int>& ranks) const;
};

}  // namespace lact
