// Shapes that meet in an element-wise op.
#pragma once
#include "tensor/tensor.hpp"

namespace lact {

Shape broadcast(const Shape& a, const Shape& b);  // error if they do not meet
Tensor dense(const Tensor& x);                    // x itself if contiguous, else a contiguous copy
Tensor dense_rows(const Tensor& x);               // x itself if its last stride is 1, else a contiguous copy

}  // namespace lact
