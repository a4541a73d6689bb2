// Numbers of several ranks made one, along the binary tree over rank numbers: ((0+1)+(2+3)).
#pragma once
#include <span>

#include "parallel/communicator.hpp"

namespace lact {

// out[i] = parts[0][i] + ... for `count` numbers; `out` may be one of the parts. f32, f64, i32.
void reduce_ranks(std::byte* out, std::span<const std::byte* const> parts, std::int64_t count, DType t, Reduce op);

}  // namespace lact
