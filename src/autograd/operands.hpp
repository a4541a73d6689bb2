// Values as kernels take them.
#pragma once
#include <vector>

#include "tensor/tensor.hpp"

namespace lact {

// x itself if one of its last two strides is 1 and nothing repeats, else a copy; rounded to bf16 where `low`.
// For products.
Tensor operand(const Tensor& x, bool low);
// x [b, t, parts * heads * d], contiguous -> parts views [b, heads, t, d]. Channel order (part, head, channel).
std::vector<Tensor> parts_by_heads(const Tensor& x, std::int64_t parts, std::int64_t heads);

}  // namespace lact
