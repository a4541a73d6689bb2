#include "kernels/cuda/cuda.hpp"

namespace lact::kernels {

const Table& cuda_table() {
  static const Table table{
      .unary = cuda::unary,
      .binary = cuda::binary,
      .add_to = cuda::add_to,
      .fill = cuda::fill,
      .swiglu = cuda::swiglu,
      .swiglu_grad = cuda::swiglu_grad,
      .swiglu_grad_grad = cuda::swiglu_grad_grad,
      .matmul = cuda::matmul,
      .sum_to = cuda::sum_to,
      .squared_norm = cuda::squared_norm,
      .rms_norm = cuda::rms_norm,
      .rms_norm_grad = cuda::rms_norm_grad,
      .layer_norm = cuda::layer_norm,
      .layer_norm_grad = cuda::layer_norm_grad,
      .l2_norm = cuda::l2_norm,
      .l2_norm_grad = cuda::l2_norm_grad,
      .column_norm = cuda::column_norm,
      .keep_column_norm = cuda::keep_column_norm,
      .keep_column_norm_grad = cuda::keep_column_norm_grad,
      .softmax = cuda::softmax,
      .softmax_grad = cuda::softmax_grad,
      .attention = cuda::attention,
      .attention_grad = cuda::attention_grad,
      .log_sum_exp = cuda::log_sum_exp,
      .pick = cuda::pick,
      .place = cuda::place,
      .has_index = cuda::has_index,
      .rays = cuda::rays,
      .view_tokens = cuda::view_tokens,
      .adamw = cuda::adamw,
  };
  return table;
}

}  // namespace lact::kernels
