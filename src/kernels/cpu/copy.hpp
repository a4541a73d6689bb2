#pragma once
#include "tensor/tensor.hpp"

namespace lact::kernels::cpu {

void copy(const Tensor& y, const Tensor& x);  // unary(Unary::copy, y, x)

}  // namespace lact::kernels::cpu
