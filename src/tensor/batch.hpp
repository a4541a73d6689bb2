// What the loader gives and a model takes.
#pragma once
#include <map>
#include <string>

#include "tensor/tensor.hpp"

namespace lact {

struct Batch {
  std::map<std::string, Tensor> tensors;      // by name; the first dim of each counts the samples
  std::map<std::string, std::int64_t> sizes;  // what all samples share and no shape tells
  // Count of valid target numbers over the whole global batch, all micro-batches and ranks, known before the first
  // forward pass: a loss is divided by it.
  double valid = 0;

  // An error names what the batch lacks.
  const Tensor& tensor(const std::string& name) const;
  std::int64_t size(const std::string& name) const;
  std::int64_t samples() const;
};

// Whether the same computation serves both: names, shapes, types, sizes and `valid` are the same.
bool alike(const Batch& a, const Batch& b);
Batch like(const Batch& b);                       // room for the same tensors
void copy_tensors(Batch& to, const Batch& from);  // of batches that are alike

}  // namespace lact
