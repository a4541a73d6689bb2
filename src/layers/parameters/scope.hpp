// Names for the parameters of a layer.
#pragma once
#include <string>

#include "layers/parameters/store.hpp"

namespace lact {

class Scope {  // hands out names; a layer's constructor takes one and nothing global
 public:
  explicit Scope(ParameterStore& store, std::string prefix = "") : store_(&store), prefix_(std::move(prefix)) {}
  Scope operator/(std::string_view child) const;
  const Parameter& parameter(std::string_view name, Shape s, Init i, std::optional<TpSplit> split = {}) const;
  Scope without_decay() const;  // its parameters are never decayed, unless train.decay_all says so
  int tp() const { return store_->tp(); }

 private:
  ParameterStore* store_;
  std::string prefix_;
  bool decayed_ = true;
};

}  // namespace lact
