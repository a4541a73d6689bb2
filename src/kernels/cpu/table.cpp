#include "kernels/cpu/cpu.hpp"

namespace lact::kernels {

const Table& cpu_table() {
  static const Table table{
      .unary = cpu::unary,
      .binary = cpu::binary,
      .add_to = cpu::add_to,
      .fill = cpu::fill,
      .swiglu = cpu::swiglu,
      .swiglu_grad = cpu::swiglu_grad,
      .swiglu_grad_grad = cpu::swiglu_grad_grad,
      .matmul = cpu::matmul,
      .sum_to = cpu::sum_to,
      .squared_norm = cpu::squared_norm,
      .rms_norm = cpu::rms_norm,
      .rms_norm_grad = cpu::rms_norm_grad,
      .layer_norm = cpu::layer_norm,
      .layer_norm_grad = cpu::layer_norm_grad,
      .l2_norm = cpu::l2_norm,
      .l2_norm_grad = cpu::l2_norm_grad,
      .column_norm = cpu::column_norm,
      .keep_column_norm = cpu::keep_column_norm,
      .keep_column_norm_grad = cpu::keep_column_norm_grad,
      .softmax = cpu::softmax,
      .softmax_grad = cpu::softmax_grad,
      .attention = cpu::attention,
      .attention_grad = cpu::attention_grad,
      .log_sum_exp = cpu::log_sum_exp,
      .pick = cpu::pick,
      .place = cpu::place,
      .has_index = cpu::has_index,
      .rays = cpu::rays,
      .view_tokens = cpu::view_tokens,
      .adamw = cpu::adamw,
  };
  return table;
}

}  // namespace lact::kernels
