// The CPU table entries; contracts stand in the headers of kernels/.
#pragma once
#include "kernels/table.hpp"

namespace lact::kernels::cpu {

void copy(const Tensor& y, const Tensor& x);  // unary(Unary::copy, ...)

#include "kernels/entries.inc"

}  // namespace lact::kernels::cpu
