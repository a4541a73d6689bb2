// Sums the gradients of replicated parameters, each rank its shard (ZeRO-1). A bucket's sum begins when its last
// gradient of the step has come back, in the order of the buckets from the last to the first on every rank: roughly
// that of the backward pass, so that sums run while it goes on.
#pragma once
#include "layers/parameters/store.hpp"

namespace lact {

class Reducer {
 public:
  Reducer(ParameterStore& store, Mesh& mesh);
  Reducer(const Reducer&) = delete;
  Reducer& operator=(const Reducer&) = delete;
  ~Reducer() { store_.on_gradient({}); }
  void restart() { sums_.clear(); }  // a step begins, perhaps after one that failed
  // Begins what has not begun and waits for all. Gradients outside the shards then mean nothing.
  void finish();

 private:
  void begin(std::size_t bucket);
  void begin_complete();
  ParameterStore& store_;
  Mesh& mesh_;
  std::vector<Work> sums_;  // of the buckets begun in this step, last bucket first
};

}  // namespace lact
