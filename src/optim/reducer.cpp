#include "optim/reducer.hpp"

namespace lact {

Reducer::Reducer(ParameterStore& store, Mesh& mesh) : store_(store), mesh_(mesh) {
  store_.on_gradient([this] { begin_complete(); });
}

void Reducer::begin(std::size_t bucket) {
  auto& b = store_.buckets()[bucket];
  sums_.push_back(mesh_.along(b.replicated_on).reduce_scatter(b.gradient.cut(0, b.shard), b.gradient));
}

void Reducer::begin_complete() {
  auto& buckets = store_.buckets();
  for (std::size_t left = buckets.size() - sums_.size(); left > 0 && store_.complete(buckets[left - 1]); --left)
    begin(left - 1);
}

void Reducer::finish() {
  for (std::size_t left = store_.buckets().size() - sums_.size(); left > 0; --left) begin(left - 1);
  for (Work& w : sums_) w.wait();
  sums_.clear();
}

}  // namespace lact
