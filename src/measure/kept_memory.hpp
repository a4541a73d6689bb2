// What the forward passes of a step keep for its backward passes.
#pragma once
#include <algorithm>

#include "tensor/device.hpp"

namespace lact {

// Told when each action of a pipeline begins and when it has ended, during one step.
class KeptMemory {
 public:
  explicit KeptMemory(const Device& device) : device_(device), held_(device.memory().now), most_(held_) {}
  void operator()(bool ended) {
    if (ended) most_ = std::max(most_, device_.memory().now);
  }
  std::size_t bytes() const { return most_ - held_; }  // at most, beside what was held before the step

 private:
  const Device& device_;
  std::size_t held_, most_;
};

}  // namespace lact
