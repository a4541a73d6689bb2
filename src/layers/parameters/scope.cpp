#include "layers/parameters/scope.hpp"

#include "base/check.hpp"

namespace lact {

Scope Scope::operator/(std::string_view child) const {
  Scope s = *this;
  s.prefix_ = prefix_.empty() ? std::string(child) : prefix_ + "." + std::string(child);
  return s;
}

Scope Scope::without_decay() const {
  Scope s = *this;
  s.decayed_ = false;
  return s;
}

const Parameter& Scope::parameter(std::string_view name, Shape s, Init i, std::optional<TpSplit> split) const {
  Parameter p;
  p.name = (*this / name).prefix_;
  p.shape = p.local = std::move(s);
  p.init = std::move(i);
  p.decayed = decayed_;
  if (split && tp() > 1) {
    check(split->size % tp() == 0, "{}: {} does not divide over {} ranks of tp", p.name, split->size, tp());
    p.split = split;
    p.local = split->local(p.shape, tp());
    p.replicated_on = Axes(Axis::dp) | Axis::cp;
  }
  return store_->add(std::move(p));
}

}  // namespace lact
