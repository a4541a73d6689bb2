#include "tensor/batch.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace lact {

const Tensor& Batch::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  check(found != tensors.end(), "a batch has no tensor '{}'", name);
  return found->second;
}

std::int64_t Batch::size(const std::string& name) const {
  const auto found = sizes.find(name);
  check(found != sizes.end(), "a batch has no size '{}'", name);
  return found->second;
}

std::int64_t Batch::samples() const {
  check(!tensors.empty(), "a batch without tensors has no samples");
  return tensors.begin()->second.dim(0);
}

bool alike(const Batch& a, const Batch& b) {
  return a.sizes == b.sizes && a.valid == b.valid &&
         std::ranges::equal(a.tensors, b.tensors, [](const auto& x, const auto& y) {
           return x.first == y.first && x.second.shape() == y.second.shape() && x.second.dtype() == y.second.dtype();
         });
}

Batch like(const Batch& b) {
  Batch room{{}, b.sizes, b.valid};
  for (const auto& [name, t] : b.tensors) room.tensors[name] = like(t);
  return room;
}

void copy_tensors(Batch& to, const Batch& from) {
  for (const auto& [name, t] : from.tensors) copy_bytes(to.tensors.at(name), t);
}

}  // namespace lact
