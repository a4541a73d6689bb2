// Values as kernels take them.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "autograd/tape.hpp"

namespace lact {

// x itself if one of its last two strides is 1 and nothing repeats, else a copy; rounded to bf16 where `low`.
// For products.
Tensor operand(const Tensor& x, bool low);
// The one type of all values; an error that names the op where there are several: whoever mixes types casts first, and
// so says which one is wanted.
DType one_type(std::string_view op, std::span<const Var> xs);
// x [b, t, parts * heads * d], contiguous -> parts views [b, heads, t, d]. Channel order (part, head, channel).
std::vector<Tensor> parts_by_heads(const Tensor& x, std::int64_t parts, std::int64_t heads);

}  // namespace lact
