// How tensors lie in files: row-major without gaps.
#pragma once
#include <cstdint>
#include <optional>

#include "tensor/tensor.hpp"

namespace lact {

// Bytes of a tensor of that shape; nothing when a dim is negative or a product of dims does not fit 63 bits. A zero dim
// does not excuse the others: strides are products too.
std::optional<std::int64_t> bytes_of(const Shape& s, std::int64_t element_bytes);

// The tensor itself when it lies so already, else a copy that does.
Tensor row_major(const Tensor& t);

}  // namespace lact
